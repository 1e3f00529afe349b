#!lua flags=no-writes
-- load returns one page of a room's entries to its owner.
--
-- KEYS[1]  own: HASH, see claim.lua
-- KEYS[2]  data: HASH of the room's entries
-- ARGV[1]  node, ARGV[2] nonce, ARGV[3] epoch of the owner
-- ARGV[4]  cursor of HSCAN; "0" begins
-- ARGV[5]  how much HSCAN looks at
--
-- Returns {"OK", cursor, {key, value, ...}} or {"FENCED"}.
local own = redis.call('HMGET', KEYS[1], 'node', 'nonce', 'epoch')
if own[1] ~= ARGV[1] or own[2] ~= ARGV[2] or own[3] ~= ARGV[3] then
	return {'FENCED'}
end
local page = redis.call('HSCAN', KEYS[2], ARGV[4], 'COUNT', ARGV[5])
return {'OK', page[1], page[2]}
