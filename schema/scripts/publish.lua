-- Say that everything up to a version of a shard is in the counters. Answers 'lost' where Redis does not hold the
-- version published before: it was emptied, or an older state came back.
-- KEYS: versions hash, resync mark. ARGV: shard, version published before ('*': whatever it was, but the mark set
-- when the resync began must still be there: whatever removes it removes days as well), version.
local held = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[2] == '*' and redis.call('EXISTS', KEYS[2]) == 0 then return 'lost' end
if ARGV[2] ~= '*' and (not held or tonumber(held) < tonumber(ARGV[2])) then return 'lost' end
if held and tonumber(held) >= tonumber(ARGV[3]) then return 'old' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 'set'
