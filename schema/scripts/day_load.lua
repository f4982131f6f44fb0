-- Write all shards of a campaign day from one PostgreSQL snapshot. A share that is newer here stays. A snapshot
-- older than a published version answers 'stale' and changes nothing: the version promises more than it holds.
-- KEYS: shares hash, the five totals, versions hash. ARGV: deployment, EXPIREAT in seconds, then for each shard: shard,
-- version, five numbers.
local versions = table.remove(KEYS)
for i = 3, #ARGV, 7 do
	local published = redis.call('HGET', versions, ARGV[i])
	if published and tonumber(published) > tonumber(ARGV[i + 1]) then return 'stale' end
end
local newer = {}
if redis.call('HGET', KEYS[1], 'deployment') == ARGV[1] then
	for i = 3, #ARGV, 7 do
		local held = redis.call('HGET', KEYS[1], ARGV[i])
		if held and tonumber(string.match(held, '%S+')) > tonumber(ARGV[i + 1]) then newer[ARGV[i]] = held end
	end
end
redis.call('DEL', unpack(KEYS))
redis.call('HSET', KEYS[1], 'deployment', ARGV[1])
for i = 2, #KEYS do redis.call('SET', KEYS[i], '0') end
for i = 3, #ARGV, 7 do
	local share = newer[ARGV[i]] or table.concat(ARGV, ' ', i + 1, i + 6)
	redis.call('HSET', KEYS[1], ARGV[i], share)
	local word = 0
	for number in string.gmatch(share, '%S+') do
		word = word + 1
		if word > 1 then
			local up = redis.pcall('INCRBY', KEYS[word], number)
			if type(up) == 'table' then
				redis.call('DEL', unpack(KEYS))
				return 'overflow'
			end
		end
	end
end
for i = 1, #KEYS do redis.call('EXPIREAT', KEYS[i], ARGV[2]) end
return 'set'
