//! KPL containers beside AWS's own de-aggregation for Python, aws_kinesis_agg.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use fastrand::Rng;
use kinesis_logs_decoder::kpl::Aggregated;
use kinesis_logs_generator::aggregate;
use md5::{Digest, Md5};
use serde_json::json;

use crate::python;

const CONTAINERS: usize = 3_000;

/// A record that may be a container.
struct Container {
    data: Vec<u8>,
    /// The explicit hash keys of the container.
    hash_keys: Vec<String>,
    /// The first user record that refers to a key that is not there.
    dangling: Option<usize>,
    /// Whether a user record lacks what the format requires.
    lacks: bool,
}

#[test]
fn three_thousand_containers_hold_the_user_records_that_aws_finds_in_them() {
    let mut rng = Rng::with_seed(4);
    let containers: Vec<Container> = (0..CONTAINERS).map(|_| container(&mut rng)).collect();
    let answers = python::ask("containers.py", containers.iter().map(|container| &container.data[..]));
    let (mut plain, mut lacking, mut records, mut borrowed, mut given_up) = (0, 0, 0, 0, 0);
    for (container, theirs) in containers.iter().zip(&answers) {
        let Some(ours) = Aggregated::parse(&container.data) else {
            // Python's protobuf does not mind what is missing. That of Java does, so that KCL takes such a record for plain.
            lacking += usize::from(container.lacks);
            assert!(theirs.is_null() || container.lacks, "plain, not to AWS: {:02x?}", container.data);
            plain += 1;
            continue;
        };
        let theirs = theirs.as_array().unwrap_or_else(|| panic!("plain to AWS: {:02x?}", container.data));
        // Where a key is not there theirs gives up, and the rest is lost; here that key is none.
        given_up += usize::from(container.dangling.is_some());
        assert_eq!(theirs.len(), container.dangling.unwrap_or(ours.len()), "{:02x?}", container.data);
        for (ours, theirs) in ours.records().zip(theirs) {
            // Theirs takes the container's first hash key for a record that has none. KCL gives it none, as here.
            let hash_key = if ours.explicit_hash_key.is_none() && !container.hash_keys.is_empty() {
                borrowed += 1;
                Some(container.hash_keys[0].as_str())
            } else {
                ours.explicit_hash_key
            };
            let data = BASE64_STANDARD.encode(ours.data);
            let ours = json!([ours.sub_sequence_number, ours.partition_key, hash_key, data]);
            assert_eq!(&ours, theirs, "{:02x?}", container.data);
            records += 1;
        }
    }
    println!(
        "{plain} plain, {lacking} of them lack something, {records} user records, {borrowed} hash keys borrowed, {given_up} containers given up"
    );
    assert!(plain > 300 && lacking > 50 && records > 5_000 && borrowed > 300 && given_up > 50);
}

fn container(rng: &mut Rng) -> Container {
    if rng.u8(..5) == 0 {
        let data: Vec<Vec<u8>> = (0..rng.usize(..5)).map(|_| bytes(rng)).collect();
        let records: Vec<(&str, &[u8])> = data.iter().map(|data| ("key", &data[..])).collect();
        return Container { data: aggregate(&records), hash_keys: Vec::new(), dangling: None, lacks: false };
    }
    let keys = rng.usize(1..5);
    let hash_keys: Vec<String> = (0..rng.usize(..3)).map(|_| rng.u128(..).to_string()).collect();
    let mut fields = Vec::new();
    for key in 0..keys {
        fields.push(bytes_field(1, format!("clé-{key}").as_bytes()));
    }
    for key in &hash_keys {
        fields.push(bytes_field(2, key.as_bytes()));
    }
    let tables = fields.len();
    let mut dangling = None;
    let may_dangle = rng.u8(..15) == 0;
    let may_lack = rng.u8(..15) == 0;
    let mut lacks = false;
    for index in 0..rng.usize(..8) {
        let (record, dangles) = record(rng, keys, hash_keys.len(), may_dangle);
        let record = if may_lack && rng.bool() {
            lacks = true;
            bytes_field(3, b"data, but no key")
        } else {
            record
        };
        fields.push(bytes_field(3, &record));
        dangling = dangling.or(dangles.then_some(index));
    }
    if rng.u8(..6) == 0 {
        fields.push(unknown_field(rng));
    }
    let message = match rng.u8(..12) {
        0 => {
            let mut message = fields.concat();
            message.truncate(rng.usize(..=message.len()));
            message
        }
        1 | 2 => {
            // Tables may stand behind what refers to them.
            fields.rotate_left(tables);
            fields.concat()
        }
        _ => fields.concat(),
    };
    let mut data = [&[0xf3, 0x89, 0x9a, 0xc2], &message[..], Md5::digest(&message).as_slice()].concat();
    if rng.u8(..12) == 0 {
        let at = rng.usize(..data.len());
        data[at] ^= 1 << rng.u8(..8);
    }
    // A cut message may be whole all the same, with fewer records than were written.
    let kept = Aggregated::parse(&data).map_or(0, |container| container.len());
    Container { data, hash_keys, dangling: dangling.filter(|&index| index < kept), lacks }
}

/// One `Record` message, and whether it refers to a key that is not there.
fn record(rng: &mut Rng, keys: usize, hash_keys: usize, may_dangle: bool) -> (Vec<u8>, bool) {
    let dangles = may_dangle && rng.bool();
    let key = if dangles { keys + rng.usize(..3) } else { rng.usize(..keys) };
    let mut fields = vec![number_field(1, key as u64), bytes_field(3, &bytes(rng))];
    if hash_keys > 0 && rng.bool() {
        fields.push(number_field(2, rng.usize(..hash_keys) as u64));
    }
    if rng.u8(..6) == 0 {
        fields.push(bytes_field(4, &[bytes_field(1, b"tag"), bytes_field(2, b"value")].concat()));
    }
    if rng.u8(..6) == 0 {
        fields.push(unknown_field(rng));
    }
    if rng.u8(..10) == 0 {
        // Of a field that is there twice the last counts.
        fields.insert(0, bytes_field(3, b"before"));
    }
    if rng.u8(..3) == 0 && fields.len() == 2 {
        fields.swap(0, 1);
    }
    (fields.concat(), dangles)
}

/// What a later version might add: any field, of any type that is still in use.
fn unknown_field(rng: &mut Rng) -> Vec<u8> {
    let field = rng.u64(5..3000);
    match rng.u8(..4) {
        0 => number_field(field, rng.u64(..)),
        1 => [varint(field << 3 | 1), vec![7; 8]].concat(),
        2 => [varint(field << 3 | 5), vec![7; 4]].concat(),
        _ => bytes_field(field, &bytes(rng)),
    }
}

fn bytes(rng: &mut Rng) -> Vec<u8> {
    (0..[0, 1, 20, 127, 128, 300][rng.usize(..6)]).map(|_| rng.u8(..)).collect()
}

fn number_field(field: u64, number: u64) -> Vec<u8> {
    [varint(field << 3), varint(number)].concat()
}

fn bytes_field(field: u64, bytes: &[u8]) -> Vec<u8> {
    [&varint(field << 3 | 2), &varint(bytes.len() as u64), bytes].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}
