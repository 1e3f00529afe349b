#!lua
-- claim makes somebody the owner of a room.
--
-- KEYS[1]  own: HASH node, nonce (of the owner; neither if there is none),
--          epoch, gen, seq, batch (none of the three if nothing was appended)
-- ARGV[1]  node of the claimer      ARGV[2]  its nonce
-- ARGV[3]  node of the expected     ARGV[4]  its nonce; both empty for nobody
-- ARGV[5]  floor: the epoch becomes higher
-- ARGV[6]  "1" takes the room back from whoever has it, unless somebody has
--          claimed it since the floor
--
-- ARGV[7]  run ids of Redis processes that rooms may be claimed from, as the
--          claimer knows; others may have been rolled back a moment ago
--
-- Returns {"OWNED" or "HELD", node, nonce, epoch, gen, seq} as they are after,
-- or {"OTHER", run id} if this is another process, and nothing was done.
--
-- An epoch is above the one before, the floor and the microseconds of this
-- server's clock: so epochs grow although the key of a room that never
-- appended is deleted. Numbers of Lua are exact up to 2^53, which the clock
-- reaches in the year 2255.
local own = redis.call('HMGET', KEYS[1], 'node', 'nonce', 'epoch', 'gen', 'seq')
local node, nonce = own[1] or '', own[2] or ''
local epoch, gen, seq = own[3] or '0', own[4] or '', own[5] or '0'
local floor = tonumber(ARGV[5])
local mine = node == ARGV[1] and nonce == ARGV[2]

if mine and tonumber(epoch) > floor then
	return {'OWNED', node, nonce, epoch, gen, seq}
end
local takes = nonce == '' or mine or (node == ARGV[3] and nonce == ARGV[4])
if ARGV[6] == '1' then
	takes = tonumber(epoch) < floor or (tonumber(epoch) == floor and mine)
end
if not takes then
	return {'HELD', node, nonce, epoch, gen, seq}
end

if not mine and ARGV[6] ~= '1' then
	local info = redis.pcall('INFO', 'server')
	local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)')
	if run and not string.find(ARGV[7], run, 1, true) then
		return {'OTHER', run}
	end
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
epoch = string.format('%.0f', math.max(tonumber(epoch), floor, now) + 1)
redis.call('HSET', KEYS[1], 'node', ARGV[1], 'nonce', ARGV[2], 'epoch', epoch)
redis.call('PERSIST', KEYS[1]) -- see bury.lua
return {'OWNED', ARGV[1], ARGV[2], epoch, gen, seq}
