-- Marks a user's lease on one gateway, if it lives, as one that lingers.
--
-- KEYS  1 gateway → when its lease ends   2 gateway → its status, where it is not online
-- ARGV  1 the gateway
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
local told = redis.call('HGET', KEYS[2], ARGV[1]) or 'online'
if lease and tonumber(lease) > now and string.sub(told, 1, 1) ~= '~' then
  redis.call('HSET', KEYS[2], ARGV[1], '~' .. told)
  redis.call('PEXPIRE', KEYS[2], 86400000)
end
