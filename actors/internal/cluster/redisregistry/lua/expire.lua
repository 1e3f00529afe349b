-- Ends the lease of a node for good.
--
-- KEYS[1] ZSET  node id -> end of its lease, ms of Redis' clock
-- KEYS[2] HASH  node id -> what it says of itself
-- KEYS[3] ZSET  ids that cannot have a lease again -> when it ended, ms
-- ARGV[1] node id
-- ARGV[2] channel that is told
-- ARGV[3] ms to go by instead of Redis' clock; empty outside tests

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[3] ~= '' then
	now = tonumber(ARGV[3])
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[3], string.format('%.0f', now), ARGV[1])
if redis.call('HDEL', KEYS[2], ARGV[1]) == 1 then
	redis.call('PUBLISH', ARGV[2], ARGV[1])
end
return 1
