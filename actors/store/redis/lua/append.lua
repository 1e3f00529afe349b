#!lua
-- append applies a batch, wholly or not at all, once.
--
-- KEYS[1]  own: HASH, see claim.lua
-- KEYS[2]  data: HASH of the room's entries
-- ARGV[1]  node, ARGV[2] nonce, ARGV[3] epoch of the owner
-- ARGV[4]  gen, ARGV[5] seq as they are before; "" and "0" if nothing was
--          appended
-- ARGV[6]  gen, ARGV[7] seq as they become
-- ARGV[8]  id of the batch
-- ARGV[9]  "1" deletes all entries first
-- ARGV[10] n, how many entries are set
-- ARGV[11..10+2n]  their keys and values; what follows are keys to delete
--
-- Returns {"OK"} or {"FENCED", gen, seq}.
--
-- A batch that was applied already is written down again: WAIT, which the
-- client may send behind, counts replicas that have the connection's last
-- write, and would count none if there were no write.
local CHUNK = 7000 -- as many values as unpack can pass on, and even
local own = redis.call('HMGET', KEYS[1], 'node', 'nonce', 'epoch', 'gen', 'seq', 'batch')
local gen, seq = own[4] or '', own[5] or '0'

if own[1] ~= ARGV[1] or own[2] ~= ARGV[2] or own[3] ~= ARGV[3] then
	return {'FENCED', gen, seq}
end
if own[6] == ARGV[8] and gen == ARGV[6] and seq == ARGV[7] then
	redis.call('HSET', KEYS[1], 'batch', ARGV[8])
	return {'OK'}
end
if gen ~= ARGV[4] or seq ~= ARGV[5] then
	return {'FENCED', gen, seq}
end

if ARGV[9] == '1' then
	redis.call('UNLINK', KEYS[2])
end
local sets = 10 + 2 * tonumber(ARGV[10])
for i = 11, sets, CHUNK do
	redis.call('HSET', KEYS[2], unpack(ARGV, i, math.min(i + CHUNK - 1, sets)))
end
for i = sets + 1, #ARGV, CHUNK do
	redis.call('HDEL', KEYS[2], unpack(ARGV, i, math.min(i + CHUNK - 1, #ARGV)))
end
redis.call('HSET', KEYS[1], 'gen', ARGV[6], 'seq', ARGV[7], 'batch', ARGV[8])
return {'OK'}
