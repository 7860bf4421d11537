//! What can go wrong between a stream and its reader, what this crate does about it, and the test that shows it.
//!
//! Tests are in `tests/reader.rs`, `protocol.rs`, `consumer/`, `upkeep.rs`, `fan_out.rs`, `kinesis_api.rs`, the stores' own, and
//! beside the protocol; the *simulation*
//! (`tests/simulation`) holds all of it together in random histories of several workers, in which a referee sees every
//! delivery and every write.
//!
//! # Shards
//!
//! | what | test |
//! |---|---|
//! | a listing in pages is read to its end | `a_listing_in_pages_is_read_to_its_end` |
//! | ... whose token goes without the stream's name | `the_token_of_a_listing_goes_without_the_streams_name_and_the_filter` |
//! | a token that expired restarts the listing | `an_expired_listing_token_restarts_the_listing` |
//! | parents before children, and a merge waits for both | `a_split_and_a_merge_while_reading_lose_and_repeat_nothing`, `a_merge_child_waits_for_a_parent_that_only_a_listing_shows`, the simulation |
//! | a parent that is listed no longer blocks nobody | `a_parent_that_is_listed_no_longer_blocks_nobody` |
//! | closed shards are read to their ends | `records_that_come_with_the_end_of_a_shard_are_delivered`, `a_closed_shard_that_is_late_to_end_is_not_taken_for_the_end_of_a_bounded_read` |
//! | a missing shard has ended | `a_shard_that_vanishes_while_read_has_ended`, `a_shard_that_is_gone_has_ended_and_its_children_are_read` |
//! | ... but not one that is said to be missing and is listed | `a_polled_shard_that_is_said_to_be_gone_but_is_listed_is_read_on` |
//! | children begin at their beginning, whatever the start | `children_begin_at_their_beginning_whatever_the_start`, `latest_begins_with_the_second_of_the_first_listing_and_skips_nothing_after_it` |
//! | a stream that was deleted and made anew is noticed, by its creation time in every lease | `a_stream_that_was_made_anew_is_an_error_that_names_both_times`, `where_told_so_a_stream_that_was_made_anew_is_read_from_its_beginning_whatever_the_start` |
//! | ... where it may be asked for | `a_stream_that_may_not_be_described_is_read_without_knowing_when_it_was_created` |
//! | a missing stream is fatal | `a_missing_stream_and_a_missing_shard_are_named` |
//! | a null iterator without children, from an open shard, is asked again | `a_null_iterator_from_an_open_shard_is_not_its_end`, `a_server_that_keeps_ending_an_open_shard_is_given_up_on` |
//!
//! # Where reading begins and ends
//!
//! | what | test |
//! |---|---|
//! | `latest` is pinned at first sight, and nothing after it is skipped | `latest_begins_with_the_second_of_the_first_listing_and_skips_nothing_after_it` |
//! | ... also for the runs that follow | `latest_is_when_the_stream_was_first_seen_also_for_a_later_run` |
//! | ... also of a shard that closes before there is a lease | `a_shard_that_is_split_while_leases_are_listed_first_is_read_from_when_the_stream_was_seen`, `a_shard_that_closed_since_the_start_may_hold_what_is_new` |
//! | a time before the horizon means the horizon | `a_start_before_all_that_the_stream_still_holds_means_the_oldest_record` |
//! | a sequence number is where one shard begins, and its descendants at their beginning | `a_shard_begins_at_or_behind_a_sequence_number_and_the_others_where_the_start_says`, `what_descends_from_a_shard_that_begins_at_a_sequence_number_is_read_from_its_beginning` |
//! | what arrived before the start is dropped, whatever the server gives | `start_and_end_times_select_by_arrival_also_where_it_steps_back`, the simulation |
//! | an empty page is not the tip | `empty_pages_are_not_the_tip` |
//! | ... nor one that does not say how far behind it is | `an_empty_page_that_does_not_say_how_far_behind_it_is_is_no_end` |
//! | a lag that never reaches zero does not keep a bounded read from ending | `a_lag_that_never_reaches_zero_does_not_keep_a_bounded_read_from_ending` |
//! | a stream that never rests has a tip | `a_stream_that_never_rests_still_has_a_tip` |
//! | an end to come is waited for, through resharding | `an_end_time_to_come_is_waited_for`, `a_shard_that_closes_while_an_end_to_come_is_waited_for_leads_to_its_children` |
//! | with checkpoints, what lies behind the end is left to the next run | `what_arrives_behind_the_end_of_a_bounded_run_is_left_to_the_next` |
//! | a count is exact | `a_count_is_exact`, `a_count_is_exact_and_the_next_run_goes_on_behind_it` |
//! | ... and leaves what lies behind it, also at a shard's end | `a_count_that_ends_within_a_closed_shards_last_page_leaves_the_rest_of_it_to_the_next_run`, the simulation |
//! | ... and is of what is settled | `a_counted_batch_that_is_abandoned_comes_again_before_the_run_ends`, `a_shard_whose_records_the_count_had_no_room_for_is_read_on_if_another_gives_some_back` |
//!
//! # Iterators, limits and failures
//!
//! | what | test |
//! |---|---|
//! | an expired iterator is renewed behind the last record, also before the first | `expired_iterators_are_renewed_behind_the_last_record_also_before_the_first`, `a_slow_caller_outlives_its_iterators` |
//! | five calls and 2 MiB a second and shard | `reading_stays_within_five_calls_and_two_mebibytes_a_second`, `no_second_holds_more_than_five_calls`, `an_answer_of_ten_mebibytes_costs_five_seconds` |
//! | throttling and faults cost time alone, not the iterator | `throttling_and_server_faults_cost_time_and_nothing_else` |
//! | ... more with each, and not in step with others | `waits_double_up_to_the_longest_and_are_jittered` |
//! | credentials that were good may fail for a while | `credentials_that_fail_for_a_while_are_waited_for_if_they_were_good_before`, `a_store_whose_credentials_fail_for_a_while_is_asked_again_if_it_has_taken_them_before` |
//! | a record may have no partition key | `a_record_may_come_without_a_partition_key` |
//! | a checkpoint that Kinesis refuses is an error, or the beginning where told so | `a_checkpoint_that_kinesis_refuses_is_an_error_or_where_told_so_the_beginning` |
//! | a failure that does not pass comes behind what was read | `a_failure_that_does_not_pass_ends_the_stream_behind_what_was_read` |
//! | a caller that does not read stops the fetching | `a_caller_that_does_not_read_stops_the_fetching`, `a_shard_whose_records_are_not_settled_waits_and_others_go_on` |
//!
//! # Enhanced fan-out
//!
//! | what | test |
//! |---|---|
//! | subscriptions are renewed from the continuation | `renewal_loses_and_repeats_nothing_whatever_the_continuation_says` |
//! | a consumer or a shard in use is waited out | `resource_in_use_is_waited_out_for_five_seconds`, `a_consumer_that_is_being_created_is_waited_for` |
//! | a connection may time out under backpressure | `a_caller_that_does_not_read_stops_the_events_and_loses_nothing_when_the_subscription_expires` |
//! | polling where told so | `a_refused_subscription_is_an_error_or_where_told_so_leads_to_polling` |
//!
//! # Checkpoints and leases
//!
//! | what | test |
//! |---|---|
//! | a checkpoint moves over a settled prefix alone | `the_watermark_is_the_end_of_the_settled_prefix`, `a_consumer_that_buffers_ahead_and_dies_loses_nothing`, the simulation |
//! | a run resumes within an aggregated record | `a_run_goes_on_in_the_middle_of_an_aggregated_record` |
//! | what was abandoned comes again, and late answers change nothing | `an_abandoned_batch_comes_again_with_all_behind_it_and_late_answers_change_nothing` |
//! | a lost lease stops delivery and is written no more | `a_lease_that_is_taken_stops_delivery_and_is_written_no_more`, the simulation |
//! | every write is fenced by the lease | `each_write_is_refused_with_the_row_as_it_stands` of the conformance tests of every store, the simulation |
//! | a checkpoint never goes back, and a shard's end is never written over | `a_shards_end_is_never_written_over`, `a_lease_that_was_lost_while_its_end_was_being_written_is_not_read_again`, the simulation |
//! | whoever takes a lease begins exactly behind its checkpoint | the simulation |
//! | a lease that could not be renewed in time is given up | `a_lease_is_as_old_as_the_first_write_that_may_have_been_the_one_that_was_done`, `a_lease_that_was_taken_so_long_ago_that_others_may_have_it_is_not_held`, the simulation |
//! | ... and costs no other its renewal; nor do many, or slow ones | `a_row_that_cannot_be_written_costs_no_other_its_lease`, `hundreds_of_leases_are_renewed_in_time_however_long_a_write_takes` |
//! | nothing is delivered behind an error, when nothing is renewed | `after_an_error_nothing_is_delivered_that_may_be_anothers_by_then` |
//! | a shard's end is written last, behind its children's leases | `children_have_their_leases_before_their_parents_end_is_written`, `children_get_their_leases_before_their_parents_end_also_on_the_way_out`, `children_get_their_leases_before_their_parents_end_also_under_a_leader_of_kcl_3` |
//! | shards that were dealt with get no lease again, others none too few | `what_was_dealt_with_before_gets_no_lease_again`, `what_a_first_worker_left_undone_begins_where_it_began`, the simulation |
//! | workers come to share evenly | `whoever_joins_gets_a_share_and_all_come_to_rest_within_one_of_the_mean`, `a_fleet_that_is_killed_again_and_again_prints_every_record_and_shares_the_shards_evenly` |
//! | while a leader of KCL 3 lives nothing is taken | `nothing_is_taken_while_a_leader_of_kcl_3_lives_and_all_once_it_is_dead`, `a_leader_of_kcl_3_is_found_beside_the_leases_and_of_3_5_among_them` |
//! | a lease that is being handed over is left to the one that does so | `a_lease_that_is_being_handed_to_this_worker_is_left_to_the_one_that_hands_it_over` |
//! | leases of shards that are read and gone are removed | `leases_of_shards_that_are_read_and_gone_are_removed`, the simulation |
//! | records that checkpoint by themselves do so when the next is asked for | `records_that_checkpoint_by_themselves_are_settled_when_the_next_is_asked_for` |
//! | one that leaves hands over within seconds | `workers_share_the_shards_and_take_over_within_seconds_from_one_that_leaves` |
//! | ... and keeps the answers for what it had delivered | `a_shutdown_waits_for_answers_writes_checkpoints_and_gives_shards_back`, `a_shutdown_waits_for_answers_for_what_lies_before_an_abandoned_batch` |
//! | ... but not for ever, whoever does not answer | `a_shutdown_does_not_wait_for_ever`, `the_time_for_a_shutdown_is_kept_also_if_something_else_is_due_in_the_same_moment`, `a_shutdown_ends_with_an_error_if_the_store_cannot_be_written` |
//! | a write whose answer is lost is known again | `a_write_whose_answer_is_lost_is_known_again`, the simulation |
//! | rows that are no leases, and attributes of others, are left alone | `rows_of_kcl_3_that_are_no_leases_are_left_alone`, `a_row_of_kcl_2_is_read_and_keeps_what_is_not_written` |
//! | a crash while the file is written costs nothing | `what_a_crash_left_beside_the_file_is_in_nobodys_way`, `a_failed_write_leaves_memory_as_the_file_is` |
//! | a file is one process's | `a_file_has_one_process_at_a_time_until_it_is_killed` |
