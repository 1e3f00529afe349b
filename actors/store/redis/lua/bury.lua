#!lua flags=allow-oom
-- bury gives up a room whose owner is dead. Of a room that never appended
-- nothing is left after a while; until then its epoch is, so that the next one
-- is higher although this server's clock goes back by as much.
--
-- KEYS[1]  own: HASH, see claim.lua
-- ARGV[1]  node, ARGV[2] nonce of the owner
-- ARGV[3]  milliseconds that the epoch is left for
--
-- Returns {"OK"}, also if the room is another's.
local own = redis.call('HMGET', KEYS[1], 'node', 'nonce', 'gen')
if own[1] == ARGV[1] and own[2] == ARGV[2] then
	redis.call('HDEL', KEYS[1], 'node', 'nonce')
	if not own[3] then
		redis.call('PEXPIRE', KEYS[1], ARGV[3])
	end
end
return {'OK'}
