-- Renews or takes the lease of a node and returns everybody who has one.
--
-- KEYS[1] ZSET  node id -> end of its lease, ms of Redis' clock
-- KEYS[2] HASH  node id -> what it says of itself
-- KEYS[3] HASH  tick, data, born (ms), sure (ms), run: see cluster.Roll and
--         cluster.Beat; run names the Redis process
-- KEYS[4] ZSET  ids that cannot have a lease again -> when it ended, ms
-- ARGV[1] node id
-- ARGV[2] what it says of itself
-- ARGV[3] its address
-- ARGV[4] length of the lease, ms
-- ARGV[5] gap after which all leases are extended, ms
-- ARGV[6] "1" if it joins
-- ARGV[7] "1" if its beat before was answered
-- ARGV[8] the latest tick it has seen
-- ARGV[9] channel that is told when the list has changed
-- ARGV[10] ms to go by instead of Redis' clock; empty outside tests
--
-- Returns {"LOST"}, or {"OK", tick, data, age in ms, id, what it says, id, ...}.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local micros = time[1] .. string.format('%06d', time[2])
if ARGV[10] ~= '' then
	now = tonumber(ARGV[10])
	micros = ARGV[10] .. '000'
end
local id, ttl, gap = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5])

if redis.call('ZSCORE', KEYS[4], id) then
	return { 'LOST' }
end

local changed = false
local function expire(node)
	redis.call('ZREM', KEYS[1], node)
	redis.call('HDEL', KEYS[2], node)
	redis.call('ZADD', KEYS[4], string.format('%.0f', now), node)
	changed = true
end

-- An empty data set, one that is older than what a node has seen of it, or one
-- that another process has, which may have lost what came last: so little that
-- no beat was among it. Who may not ask for INFO does without the latter.
local tick = tonumber(redis.call('HGET', KEYS[3], 'tick') or '-1')
local seen = tonumber(ARGV[8])
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
local was = redis.call('HGET', KEYS[3], 'run') or run
if was ~= run or not redis.call('HGET', KEYS[3], 'run') then
	redis.call('HSET', KEYS[3], 'run', run)
end
if tick < 0 or seen > tick or was ~= run then
	tick = math.max(tick, seen, 0)
	redis.call('HSET', KEYS[3], 'data', micros, 'born', string.format('%.0f', now))
end
tick = tick + 1
redis.call('HSET', KEYS[3], 'tick', string.format('%.0f', tick))

if ARGV[6] == '1' then
	local known = redis.call('HGETALL', KEYS[2])
	for i = 1, #known, 2 do
		if known[i] ~= id and cjson.decode(known[i + 1]).address == ARGV[3] then
			expire(known[i])
		end
	end
end

if redis.call('HGET', KEYS[2], id) ~= ARGV[2] then
	redis.call('HSET', KEYS[2], id, ARGV[2])
	changed = true
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ttl), id)

if ARGV[7] == '1' then
	local sure = tonumber(redis.call('HGET', KEYS[3], 'sure') or '0')
	redis.call('HSET', KEYS[3], 'sure', string.format('%.0f', now))
	if now - sure > gap then
		for _, node in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
			redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', now + ttl), node)
		end
	else
		for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))) do
			expire(node)
		end
	end
	redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', string.format('%.0f', now - 86400000))
end

if changed then
	redis.call('PUBLISH', ARGV[9], id)
end
local state = redis.call('HMGET', KEYS[3], 'data', 'born')
local reply = { 'OK', tick, state[1], math.max(0, now - tonumber(state[2])) }
local known = redis.call('HGETALL', KEYS[2])
for i = 1, #known do
	reply[#reply + 1] = known[i]
end
return reply
