#!lua flags=allow-oom
-- release gives a room up. Of a room that never appended nothing is left; of
-- another one the epoch stays, whatever the clock does.
--
-- KEYS[1]  own: HASH, see claim.lua
-- KEYS[2]  data: HASH of the room's entries
-- ARGV[1]  node, ARGV[2] nonce, ARGV[3] epoch of the owner
-- ARGV[4]  "1" destroys the room: its entries are deleted too
--
-- Returns {"OK"} or {"FENCED"}.
local own = redis.call('HMGET', KEYS[1], 'node', 'nonce', 'epoch', 'gen')
if own[1] ~= ARGV[1] or own[2] ~= ARGV[2] or own[3] ~= ARGV[3] then
	return {'FENCED'}
end
if ARGV[4] == '1' then
	redis.call('UNLINK', KEYS[1], KEYS[2])
elseif own[4] then
	redis.call('HDEL', KEYS[1], 'node', 'nonce')
else
	redis.call('DEL', KEYS[1])
end
return {'OK'}
