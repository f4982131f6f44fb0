-- A campaign day as it is at one moment: the published versions, the shares, the totals. 'broken' where a key is no
-- key of ours.
-- KEYS: shares hash, the five totals, versions hash.
local versions = redis.pcall('HGETALL', KEYS[7])
local shares = redis.pcall('HGETALL', KEYS[1])
local totals = redis.call('MGET', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
if versions.err or shares.err then return 'broken' end
return {versions, shares, totals}
