-- Set one shard's share of a campaign day absolutely, if its version is newer, and keep the totals the sum of
-- the shares. Never creates a day: where anything of it is missing, all shards must be written (day_load.lua).
-- KEYS: shares hash, then the five totals. ARGV: deployment, shard, version, five numbers.
-- All arithmetic is Redis' own on 64-bit integers; Lua's numbers would lose the low digits of money.
for i = 1, #KEYS do
	if redis.call('EXISTS', KEYS[i]) == 0 then return 'miss' end
end
if redis.call('HGET', KEYS[1], 'deployment') ~= ARGV[1] then return 'miss' end
local held = redis.call('HGET', KEYS[1], ARGV[2])
if not held then return 'miss' end
local old = {}
for word in string.gmatch(held, '%S+') do old[#old + 1] = word end
if tonumber(old[1]) >= tonumber(ARGV[3]) then return 'old' end
for i = 1, 5 do
	if old[1 + i] ~= ARGV[3 + i] then
		local up = redis.pcall('INCRBY', KEYS[1 + i], ARGV[3 + i])
		local down = redis.pcall('DECRBY', KEYS[1 + i], old[1 + i])
		if type(up) == 'table' or type(down) == 'table' then
			redis.call('DEL', unpack(KEYS))
			return 'overflow'
		end
	end
end
redis.call('HSET', KEYS[1], ARGV[2], table.concat(ARGV, ' ', 3))
return 'set'
