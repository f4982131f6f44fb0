-- The selections of dead letters differ too much for one plan.
SET plan_cache_mode = force_custom_plan
