#!lua
-- take gives rooms that are due to whoever asks first.
--
-- KEYS[1]  agenda: ZSET of rooms by the Unix millisecond at which they are due
-- ARGV[1]  now, ARGV[2] when they are due again, in Unix milliseconds
-- ARGV[3..]  rooms
--
-- Returns {"OK", room...}, those that were due still.
local taken = {'OK'}
for i = 3, #ARGV do
	local at = redis.call('ZSCORE', KEYS[1], ARGV[i])
	if at and tonumber(at) <= tonumber(ARGV[1]) then
		redis.call('ZADD', KEYS[1], ARGV[2], ARGV[i])
		taken[#taken + 1] = ARGV[i]
	end
end
return taken
