-- The types of staged rows in this session (see writer_session.sql and paths_session.sql); NULL: there is none.
SELECT to_regtype('pg_temp.staged_click')::oid, to_regtype('pg_temp.staged_conversion')::oid,
	to_regtype('pg_temp.staged_adjustment')::oid, to_regtype('pg_temp.staged_delta')::oid,
	to_regtype('pg_temp.staged_share')::oid, to_regtype('pg_temp.staged_click_delta')::oid
