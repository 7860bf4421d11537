//! Flow log lines of every version, a format a file.

/// File names, and what is in the files: a comment with the format, then lines.
pub(crate) const LINES: [(&str, &str); 16] = [
    (
        "s3-v4-header-file.log",
        "account-id bytes dstaddr dstport end instance-id packets pkt-dstaddr pkt-srcaddr protocol srcaddr srcport start subnet-id tcp-flags type version vpc-id region az-id sublocation-type sublocation-id
210987654321 3400 198.51.100.4 443 1760000060 i-0ca 12 198.51.100.4 192.0.2.17 6 192.0.2.17 50612 1760000000 subnet-0ae 3 IPv4 4 vpc-0ac eu-west-1 euw1-az1 wavelength wl-1
210987654321 90 192.0.2.17 53 1760000060 i-0ca 1 192.0.2.17 198.51.100.4 17 198.51.100.4 40001 1760000002 subnet-0ae 0 IPv4 4 vpc-0ac eu-west-1 euw1-az1 outpost op-1
",
    ),
    (
        "tgw-v6-custom-a.txt",
        "# format: ${version} ${account-id} ${tgw-id} ${tgw-attachment-id} ${tgw-src-vpc-id} ${tgw-dst-vpc-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${packets-lost-no-route} ${packets-lost-blackhole} ${packets-lost-mtu-exceeded} ${packets-lost-ttl-expired} ${start} ${end} ${log-status}
6 210987654321 tgw-0aa tgw-attach-0ab vpc-0ac vpc-0ad 192.0.2.17 198.51.100.4 50612 443 6 12 3400 1 2 3 4 1760000000 1760000060 OK
",
    ),
    (
        "tgw-v6-custom-b.txt",
        "# format: ${version} ${account-id} ${tgw-id} ${tgw-attachment-id} ${tgw-src-vpc-id} ${tgw-dst-vpc-id} ${tgw-src-subnet-id} ${tgw-dst-subnet-id} ${tgw-src-eni} ${tgw-dst-eni} ${tgw-src-az-id} ${tgw-dst-az-id} ${tgw-pair-attachment-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${log-status} ${type} ${tcp-flags} ${flow-direction} ${region}
6 210987654321 tgw-0aa tgw-attach-0ab vpc-0ac vpc-0ad subnet-0ae subnet-0af eni-0ba eni-0bb euw1-az1 euw1-az2 tgw-attach-0bc 192.0.2.17 198.51.100.4 50612 443 6 12 3400 1760000000 1760000060 OK IPv4 2 ingress eu-west-1
",
    ),
    (
        "tgw-v6-default-elastic.txt",
        "# format: ${version} ${resource-type} ${account-id} ${tgw-id} ${tgw-attachment-id} ${tgw-src-vpc-account-id} ${tgw-dst-vpc-account-id} ${tgw-src-vpc-id} ${tgw-dst-vpc-id} ${tgw-src-subnet-id} ${tgw-dst-subnet-id} ${tgw-src-eni} ${tgw-dst-eni} ${tgw-src-az-id} ${tgw-dst-az-id} ${tgw-pair-attachment-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${log-status} ${type} ${packets-lost-no-route} ${packets-lost-blackhole} ${packets-lost-mtu-exceeded} ${packets-lost-ttl-expired} ${tcp-flags} ${region} ${flow-direction} ${pkt-src-aws-service} ${pkt-dst-aws-service}
6 TransitGateway 210987654321 tgw-0aa tgw-attach-0ab 210987654321 123456789012 vpc-0ac vpc-0ad subnet-0ae subnet-0af eni-0ba eni-0bb euw1-az1 euw1-az2 tgw-attach-0bc 192.0.2.17 198.51.100.4 50612 443 6 12 3400 1760000000 1760000060 OK IPv4 0 0 0 0 3 eu-west-1 egress - S3
6 TransitGateway 210987654321 tgw-0aa tgw-attach-0ab - - vpc-0ac - - - eni-0ba - - - - 2001:db8::17 2001:db8::4 50612 443 6 12 3400 1760000000 1760000060 OK IPv6 0 7 0 0 2 eu-west-1 ingress - -
6 - 210987654321 tgw-0aa tgw-attach-0ab - - - - - - - - - - - - - - - - - - 1760000060 1760000120 NODATA - - - - - - eu-west-1 - - -
",
    ),
    (
        "vpc-default-v2.txt",
        "# format: ${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}
2 210987654321 eni-0fedcba9876543210 192.0.2.17 198.51.100.4 50612 443 6 12 3400 1760000000 1760000060 ACCEPT OK
2 210987654321 eni-0fedcba9876543210 203.0.113.99 192.0.2.17 40001 3389 6 1 40 1760000003 1760000060 REJECT OK
2 210987654321 eni-0fedcba9876543210 - - - - - - - 1760000060 1760000120 - NODATA
2 210987654321 eni-0fedcba9876543210 - - - - - - - 1760000060 1760000120 - SKIPDATA
2 210987654321 eni-0fedcba9876543210 192.0.2.17 192.0.2.18 0 0 1 4 336 1760000000 1760000030 ACCEPT OK
2 210987654321 eni-0fedcba9876543210 192.0.2.18 192.0.2.17 0 0 1 4 336 1760000000 1760000030 REJECT OK
2 210987654321 eni-0fedcba9876543210 2001:db8:0:17::5 2001:db8:ffff::4 34892 22 6 54 8855 1760000000 1760000060 ACCEPT OK
2 210987654321 eni-0fedcba9876543210 ::ffff:192.0.2.17 2001:db8::1 34892 22 6 54 8855 1760000000 1760000060 ACCEPT OK
2 unknown eni-0ba 192.0.2.17 198.51.100.4 123 123 17 1 76 1760000000 1760000001 ACCEPT OK
2 210987654321 eni-0ba 255.255.255.255 0.0.0.0 65535 1 255 9223372036854775807 9223372036854775807 1760000000 1760000001 ACCEPT OK
2 210987654321 eni-0ba 1.2.3.4 1.22.33.44 8 80 6 123456789 12345678901234567 1760000000 1760000001 ACCEPT OK
2 210987654321 eni-0ba 192.0.2.17 198.51.100.4 50612 443 - 12 3400 1760000000 1760000060 ACCEPT OK
2 - - - - - - - - - - - - -
- 210987654321 eni-0ba 192.0.2.17 198.51.100.4 50612 443 6 12 3400 1760000000 1760000060 ACCEPT OK
",
    ),
    (
        "vpc-nat-v3.txt",
        "# format: ${instance-id} ${interface-id} ${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr}
- eni-0ba 192.0.2.17 192.0.2.1 192.0.2.17 198.51.100.4
- eni-0ba 192.0.2.1 198.51.100.4 192.0.2.1 198.51.100.4
- eni-0ba 198.51.100.4 192.0.2.1 198.51.100.4 192.0.2.1
- eni-0ba 192.0.2.1 192.0.2.17 198.51.100.4 192.0.2.17
i-0ca eni-0bb 192.0.2.17 198.51.100.4 192.0.2.17 198.51.100.4
i-0ca eni-0bb 198.51.100.4 192.0.2.17 198.51.100.4 192.0.2.17
",
    ),
    (
        "vpc-odd-cases.txt",
        "# 1. milliseconds
2 210987654321 eni-0ba - - - - - - - 1512564058000 1512564059000 - SKIPDATA
# 2. a doubled space, 21 fields
3 210987654321 eni-0ba 192.0.2.17 198.51.100.4 50612 443  6 12 3400 1760000000 1760000060 ACCEPT OK vpc-0ac subnet-0ae i-0ca 2 IPv4 192.0.2.17 198.51.100.4
# 3. wrapped in JSON by a forwarder
{\"message\":\"2 210987654321 eni-0ba - - - - - - - 1760000060 1760000120 - NODATA\"}
# 4. all fields up to version 5, an account of 11 digits, a start that is a digit short
5 21098765432 eni-0ba 192.0.2.17 198.51.100.4 50612 443 17 52 1 176000000 1760000060 REJECT OK vpc-0ac subnet-0ae i-0ca 1 IPv4 192.0.2.17 198.51.100.4 eu-west-1 euw1-az1 - - AMAZON CLOUDFRONT ingress 1
# 5. the default fields and those of ECS
7 210987654321 eni-0ba 192.0.2.17 198.51.100.4 50612 443 6 12 3400 1760000000 1760000060 ACCEPT OK arn:aws:ecs:eu-west-1:210987654321:cluster/c c arn:aws:ecs:eu-west-1:210987654321:container-instance/c/0a 0a 0b 0c web arn:aws:ecs:eu-west-1:210987654321:task-definition/t:1 arn:aws:ecs:eu-west-1:210987654321:task/c/0d 0d
# 6. an unknown account
2 unknown eni-0ba 192.0.2.17 198.51.100.4 50612 443 6 12 3400 1760000000 1760000060 ACCEPT OK
# 7. a protocol without a name
2 210987654321 eni-0ba 192.0.2.17 198.51.100.4 0 0 253 1 60 1760000000 1760000060 ACCEPT OK
# 8. a field too few
2 210987654321 eni-0ba 192.0.2.17 198.51.100.4 50612 443 6 12 3400 1760000000 1760000060 ACCEPT
# 9. a field too many
2 210987654321 eni-0ba 192.0.2.17 198.51.100.4 50612 443 6 12 3400 1760000000 1760000060 ACCEPT OK more
# 10. a header
version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status
# 11. the value of a tag, percent-encoded
11 eni-0ba Caf%C3%A9%20%2F1 ACCEPT OK
",
    ),
    (
        "vpc-tcp-flags-v3.txt",
        "# format: ${version} ${vpc-id} ${subnet-id} ${instance-id} ${interface-id} ${account-id} ${type} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${pkt-srcaddr} ${pkt-dstaddr} ${protocol} ${bytes} ${packets} ${start} ${end} ${action} ${tcp-flags} ${log-status}
3 vpc-0ac subnet-0ae i-0ca eni-0ba 210987654321 IPv4 198.51.100.4 192.0.2.17 50612 5001 198.51.100.4 192.0.2.17 6 568 8 1760000000 1760000060 ACCEPT 2 OK
3 vpc-0ac subnet-0ae i-0ca eni-0ba 210987654321 IPv4 192.0.2.17 198.51.100.4 5001 50612 192.0.2.17 198.51.100.4 6 376 7 1760000000 1760000060 ACCEPT 18 OK
3 vpc-0ac subnet-0ae i-0ca eni-0ba 210987654321 IPv4 198.51.100.4 192.0.2.17 50613 5001 198.51.100.4 192.0.2.17 6 100701 70 1760000000 1760000060 ACCEPT 2 OK
3 vpc-0ac subnet-0ae i-0ca eni-0ba 210987654321 IPv4 192.0.2.17 198.51.100.4 5001 50613 192.0.2.17 198.51.100.4 6 632 12 1760000000 1760000060 ACCEPT 18 OK
3 vpc-0ac subnet-0ae i-0ca eni-0ba 210987654321 IPv4 192.0.2.17 198.51.100.4 5001 50613 192.0.2.17 198.51.100.4 6 63388 1219 1760000060 1760000120 ACCEPT 1 OK
3 vpc-0ac subnet-0ae i-0ca eni-0ba 210987654321 IPv4 198.51.100.4 192.0.2.17 50613 5001 198.51.100.4 192.0.2.17 6 23294588 15774 1760000060 1760000120 ACCEPT 1 OK
3 vpc-0ac subnet-0ae i-0ca eni-0ba 210987654321 IPv4 198.51.100.4 192.0.2.17 50614 5001 198.51.100.4 192.0.2.17 6 1260 17 1760000120 1760000180 ACCEPT 3 OK
3 vpc-0ac subnet-0ae i-0ca eni-0ba 210987654321 IPv4 192.0.2.17 198.51.100.4 5001 50614  192.0.2.17 198.51.100.4 6 967 14 1760000120 1760000180 ACCEPT 19 OK
",
    ),
    (
        "vpc-tgw-eni-v3.txt",
        "# format: ${version} ${interface-id} ${account-id} ${vpc-id} ${subnet-id} ${instance-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${tcp-flags} ${type} ${pkt-srcaddr} ${pkt-dstaddr} ${action} ${log-status}
3 eni-0bc 210987654321 vpc-0ac subnet-0ae i-0ca 192.0.2.17 198.51.100.4 50612 80 6 3 IPv4 192.0.2.17 198.51.100.4 ACCEPT OK
3 eni-0bc 210987654321 vpc-0ac subnet-0ae i-0ca 198.51.100.4 192.0.2.17 80 50612 6 19 IPv4 198.51.100.4 192.0.2.17 ACCEPT OK
3 eni-0ba 210987654321 vpc-0ac subnet-0af - 198.51.100.1 198.51.100.4 50612 80 6 3 IPv4 192.0.2.17 198.51.100.4 ACCEPT OK
3 eni-0bb 210987654321 vpc-0ac subnet-0af - 198.51.100.4 198.51.100.2 80 50612 6 19 IPv4 198.51.100.4 192.0.2.17 ACCEPT OK
",
    ),
    (
        "vpc-v10-encryption.txt",
        "# format: ${flow-direction} ${traffic-path} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${encryption-status}
ingress - 192.0.2.17 192.0.2.18 43236 80 1
egress 1 192.0.2.18 192.0.2.17 80 43236 1
ingress - 192.0.2.17 192.0.2.18 36902 443 3
egress 1 192.0.2.18 192.0.2.17 443 36902 3
ingress - 192.0.2.19 192.0.2.18 55016 80 0
egress 1 192.0.2.18 192.0.2.19 80 55016 0
ingress - 192.0.2.19 192.0.2.18 60276 443 2
egress 8 192.0.2.18 198.51.100.4 443 60276 -
",
    ),
    (
        "vpc-v4-sublocation.txt",
        "# format: ${account-id} ${bytes} ${dstaddr} ${dstport} ${end} ${packets} ${protocol} ${srcaddr} ${srcport} ${start} ${version} ${vpc-id} ${region} ${az-id} ${sublocation-type} ${sublocation-id}
210987654321 3400 198.51.100.4 443 1760000060 12 6 192.0.2.17 50612 1760000000 4 vpc-0ac eu-west-1 euw1-az1 wavelength wl-1
210987654321 90 192.0.2.17 53 1760000060 1 17 198.51.100.4 40001 1760000002 4 vpc-0ac eu-west-1 euw1-az1 outpost op-1
",
    ),
    (
        "vpc-v5-alphabetical.txt",
        "# format: ${account-id} ${action} ${az-id} ${bytes} ${dstaddr} ${dstport} ${end} ${flow-direction} ${instance-id} ${interface-id} ${log-status} ${packets} ${pkt-dst-aws-service} ${pkt-dstaddr} ${pkt-src-aws-service} ${pkt-srcaddr} ${protocol} ${region} ${srcaddr} ${srcport} ${start} ${sublocation-id} ${sublocation-type} ${subnet-id} ${tcp-flags} ${traffic-path} ${type} ${version} ${vpc-id}
210987654321 ACCEPT euw1-az2 4895 192.0.2.17 50318 1760000060 ingress i-0ca eni-0ba OK 15 - 192.0.2.17 S3 198.51.100.6 6 eu-west-1 198.51.100.7 443 1760000000 - - subnet-0ae 19 - IPv4 5 vpc-0ac
210987654321 ACCEPT euw1-az2 3015 198.51.100.6 443 1760000060 egress i-0ca eni-0ba OK 16 S3 198.51.100.7 - 192.0.2.17 6 eu-west-1 192.0.2.17 50318 1760000000 - - subnet-0ae 7 7 IPv4 5 vpc-0ac
",
    ),
    (
        "vpc-v5-service-path.txt",
        "# format: ${version} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${start} ${end} ${type} ${packets} ${bytes} ${account-id} ${vpc-id} ${subnet-id} ${instance-id} ${interface-id} ${region} ${az-id} ${sublocation-type} ${sublocation-id} ${action} ${tcp-flags} ${pkt-srcaddr} ${pkt-dstaddr} ${pkt-src-aws-service} ${pkt-dst-aws-service} ${traffic-path} ${flow-direction} ${log-status}
5 198.51.100.6 192.0.2.17 80 34210 6 1760000000 1760000057 IPv4 14 15044 210987654321 vpc-0ac subnet-0ae i-0ca eni-0ba eu-west-1 euw1-az3 - - ACCEPT 19 198.51.100.6 192.0.2.17 S3 - - ingress OK
5 192.0.2.17 198.51.100.6 34210 80 6 1760000000 1760000057 IPv4 7 471 210987654321 vpc-0ac subnet-0ae i-0ca eni-0ba eu-west-1 euw1-az3 - - ACCEPT 3 192.0.2.17 198.51.100.6 - S3 8 egress OK
",
    ),
    (
        "vpc-v7-ecs.txt",
        "# format: ${version} ${srcaddr} ${dstaddr} ${action} ${log-status} ${ecs-cluster-arn} ${ecs-cluster-name} ${ecs-container-instance-arn} ${ecs-container-instance-id} ${ecs-container-id} ${ecs-second-container-id} ${ecs-service-name} ${ecs-task-definition-arn} ${ecs-task-arn} ${ecs-task-id}
7 192.0.2.17 198.51.100.4 ACCEPT OK arn:aws:ecs:eu-west-1:210987654321:cluster/c c arn:aws:ecs:eu-west-1:210987654321:container-instance/c/0a 0a 0b - web arn:aws:ecs:eu-west-1:210987654321:task-definition/t:1 arn:aws:ecs:eu-west-1:210987654321:task/c/0d 0d
",
    ),
    (
        "vpc-v8-elastic.txt",
        "# format: ${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status} ${reject-reason}
8 210987654321 - 203.0.113.99 192.0.2.17 40001 3389 6 1 40 1760000003 1760000060 REJECT OK BPA
",
    ),
    (
        "vpc-v8-v11.txt",
        "# format: ${version} ${srcaddr} ${dstaddr} ${action} ${log-status} ${reject-reason} ${resource-id} ${encryption-status} ${instance-tag} ${instance-tag-2} ${interface-tag} ${interface-tag-2} ${asg-tag} ${asg-tag-2} ${interface-type} ${next-hop-interface-id} ${next-hop-subnet-id} ${next-hop-az-id} ${next-hop-vpc-id} ${next-hop-interface-type}
11 192.0.2.17 198.51.100.4 REJECT OK EC nat-0ce 1 web web-2 front front-2 group group-2 nat_gateway eni-0bb subnet-0af euw1-az2 vpc-0ad network_load_balancer
11 192.0.2.17 198.51.100.4 ACCEPT OK - - - - - - - - - - - - - - -
",
    ),
];
