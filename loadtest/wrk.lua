-- What wrk sends, and its result as one line of JSON (times in ms).
--
--     wrk -t1 -c64 -d10s -s loadtest/wrk.lua http://127.0.0.1:8080 -- clicks
--     wrk ... -- batch 1000           batches of so many clicks, whose ids the server makes
--     wrk ... -- get /path [FILE]     GETs; each line of FILE is appended to the path in turn
--
-- A click is fresh: its id has a random beginning for each thread and counts on. Its time is that of the
-- thread's start. The reserve of threads is numbered by setup, so that no two make the same ids.

local CAMPAIGNS = 20
local threads = 0

function setup(thread)
	thread:set("number", threads)
	threads = threads + 1
end

local function campaign(n)
	return string.format("10adbe57-0000-4000-8000-%012x", n)
end

local function fields(user)
	return string.format('"campaign_id":"%s","user_id":"%s","click_date":"%s","source":"newsletter"}',
		campaign(math.random(0, CAMPAIGNS - 1)), user, os.date("!%Y-%m-%dT%H:%M:%SZ"))
end

local function a_user()
	return string.format("%08x-%04x-4000-8000-%012x", math.random(0, 0x7fffffff), math.random(0, 0xffff),
		math.random(0, 0x7fffffff))
end

local function post(path, body)
	return string.format("POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n" ..
		"Content-Length: %d\r\n\r\n%s", path, #body, body)
end

-- The parts before and after the id never change but for the user, of whom there are many.
local function clicks()
	local session = string.format("%08x-%04x-4%03x-8000-", math.random(0, 0x7fffffff), number, math.random(0, 0xfff))
	local heads, tails, n = {}, {}, 0
	for i = 0, 4095 do
		local empty = post("/api/events/click", '{"click_id":"' .. string.rep("0", 36) .. '",' .. fields(a_user()))
		local from = empty:find(string.rep("0", 36), 1, true)
		heads[i], tails[i] = empty:sub(1, from - 1) .. session, empty:sub(from + 36)
	end
	return function()
		n = n + 1
		local i = n % 4096
		return heads[i] .. string.format("%012x", n) .. tails[i]
	end
end

-- Without ids, so that a body can be sent again and its clicks are fresh all the same.
local function batch(size)
	local bodies, n = {}, 0
	for i = 0, 7 do
		local events = {}
		for e = 1, size do
			events[e] = '{"event":"click",' .. fields(a_user())
		end
		bodies[i] = post("/api/events/batch", "[" .. table.concat(events, ",") .. "]")
	end
	return function()
		n = n + 1
		return bodies[n % 8]
	end
end

local function get(path, file)
	local requests, n = {}, 0
	local function add(tail)
		requests[#requests + 1] = string.format("GET %s%s HTTP/1.1\r\nHost: bench\r\n\r\n", path, tail)
	end
	if file then
		for line in io.lines(file) do add(line) end
	else
		add("")
	end
	return function()
		n = n % #requests + 1
		return requests[n]
	end
end

function init(args)
	math.randomseed(os.time() * 100 + number)
	local what = args[1] or "clicks"
	if what == "clicks" then request = clicks()
	elseif what == "batch" then request = batch(tonumber(args[2]))
	elseif what == "get" then request = get(args[2], args[3])
	else error("wrk.lua: clicks, batch N or get PATH [FILE]") end
end

function done(summary, latency)
	local e = summary.errors
	io.stderr:write(string.format('{"requests":%d,"seconds":%.6f,"bytes":%d,"p50":%.3f,"p99":%.3f,"p999":%.3f,' ..
		'"max":%.3f,"refused":%d,"broken":%d}\n', summary.requests, summary.duration / 1e6, summary.bytes,
		latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3,
		latency.max / 1e3, e.status, e.connect + e.read + e.write + e.timeout))
end
