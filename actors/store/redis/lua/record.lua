#!lua
-- record sets a record if it is at a version.
--
-- KEYS[1]  record: HASH version, value
-- ARGV[1]  the version it has to be at; "0" if there is none
-- ARGV[2]  milliseconds that it lasts; "0" for ever
-- ARGV[3]  "1" sets it to ARGV[4], "0" deletes it
-- ARGV[4]  value
--
-- Returns {"OK", version} or {"VERSION", version}. Versions are made as epochs
-- are, see claim.lua, so that a record that ended and is written again has
-- another one.
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version ~= ARGV[1] then
	return {'VERSION', version}
end
if ARGV[3] == '0' then
	redis.call('DEL', KEYS[1])
	return {'OK', '0'}
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
version = string.format('%.0f', math.max(tonumber(version) + 1, now))
redis.call('HSET', KEYS[1], 'version', version, 'value', ARGV[4])
if ARGV[2] == '0' then
	redis.call('PERSIST', KEYS[1])
else
	redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return {'OK', version}
