//! What can go wrong between a stream and its reader, what this crate does about it, and the test that shows it.
//!
//! Tests are in `tests/reader.rs`, `protocol.rs`, `consumer.rs`, `upkeep.rs`, `fan_out.rs` and the stores' own; the *simulation*
//! (`tests/simulation`) holds all of it together in random histories of several workers, in which a referee sees every
//! delivery and every write.
//!
//! # Shards
//!
//! | what | test |
//! |---|---|
//! | a listing in pages is read to its end | `a_listing_in_pages_is_read_to_its_end` |
//! | a token that expired restarts the listing | `an_expired_listing_token_restarts_the_listing` |
//! | parents before children, and a merge waits for both | `a_split_and_a_merge_while_reading_lose_and_repeat_nothing`, `a_merge_child_waits_for_a_parent_that_only_a_listing_shows`, the simulation |
//! | a parent that is listed no longer blocks nobody | `a_parent_that_is_listed_no_longer_blocks_nobody` |
//! | closed shards are read to their ends | `records_that_come_with_the_end_of_a_shard_are_delivered`, `a_closed_shard_that_is_late_to_end_is_not_taken_for_the_end_of_a_bounded_read` |
//! | a missing shard has ended | `a_shard_that_vanishes_while_read_has_ended`, `a_shard_that_is_gone_has_ended_and_its_children_are_read` |
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
//! | what arrived before the start is dropped, whatever the server gives | `start_and_end_times_select_by_arrival_also_where_it_steps_back`, the simulation |
//! | an empty page is not the tip | `empty_pages_are_not_the_tip` |
//! | a lag that never reaches zero does not keep a bounded read from ending | `a_lag_that_never_reaches_zero_does_not_keep_a_bounded_read_from_ending` |
//! | a stream that never rests has a tip | `a_stream_that_never_rests_still_has_a_tip` |
//! | an end to come is waited for, through resharding | `an_end_time_to_come_is_waited_for`, `a_shard_that_closes_while_an_end_to_come_is_waited_for_leads_to_its_children` |
//! | with checkpoints, what lies behind the end is left to the next run | `what_arrives_behind_the_end_of_a_bounded_run_is_left_to_the_next` |
//! | a count is exact | `a_count_is_exact`, `a_count_is_exact_and_the_next_run_goes_on_behind_it` |
//!
//! # Iterators, limits and failures
//!
//! | what | test |
//! |---|---|
//! | an expired iterator is renewed behind the last record, also before the first | `expired_iterators_are_renewed_behind_the_last_record_also_before_the_first`, `a_slow_caller_outlives_its_iterators` |
//! | five calls and 2 MiB a second and shard | `reading_stays_within_five_calls_and_two_mebibytes_a_second` |
//! | throttling and faults cost time alone | `throttling_and_server_faults_cost_time_and_nothing_else` |
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
//! | a lease that could not be renewed in time is given up | the simulation |
//! | a shard's end is written last, behind its children's leases | `children_have_their_leases_before_their_parents_end_is_written` |
//! | shards that were dealt with get no lease again, others none too few | `what_was_dealt_with_before_gets_no_lease_again`, `what_a_first_worker_left_undone_begins_where_it_began`, the simulation |
//! | workers come to share evenly | `whoever_joins_gets_a_share_and_all_come_to_rest_within_one_of_the_mean`, `a_fleet_that_is_killed_again_and_again_prints_every_record_and_shares_the_shards_evenly` |
//! | while a leader of KCL 3 lives nothing is taken | `nothing_is_taken_while_a_leader_of_kcl_3_lives_and_all_once_it_is_dead`, `a_leader_of_kcl_3_is_found_beside_the_leases_and_of_3_5_among_them` |
//! | a lease that is being handed over is left to the one that does so | `a_lease_that_is_being_handed_to_this_worker_is_left_to_the_one_that_hands_it_over` |
//! | leases of shards that are read and gone are removed | `leases_of_shards_that_are_read_and_gone_are_removed`, the simulation |
//! | records that checkpoint by themselves do so when the next is asked for | `records_that_checkpoint_by_themselves_are_settled_when_the_next_is_asked_for` |
//! | one that leaves hands over within seconds | `workers_share_the_shards_and_take_over_within_seconds_from_one_that_leaves` |
//! | a write whose answer is lost is known again | `a_write_whose_answer_is_lost_is_known_again`, the simulation |
//! | rows that are no leases, and attributes of others, are left alone | `rows_of_kcl_3_that_are_no_leases_are_left_alone`, `a_row_of_kcl_2_is_read_and_keeps_what_is_not_written` |
//! | a crash while the file is written costs nothing | `what_a_crash_left_beside_the_file_is_in_nobodys_way`, `a_failed_write_leaves_memory_as_the_file_is` |
//! | a file is one process's | `a_file_has_one_process_at_a_time_until_it_is_killed` |
