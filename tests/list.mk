# Every compiled test, sorted. One process a file.
UNIT_TESTS := attribution_test bisect_test buf_test campaign_test completion_test config_test datetime_test domain_test event_test \
	explain_test export_test history_cache_test json_test log_test metrics_test money_test recent_days_test registry_test report_test request_test \
	settings_test spool_test stack_test statistics_test uuid_test
STRESS_TESTS := actor_stress pipeline_stress producer_stress
