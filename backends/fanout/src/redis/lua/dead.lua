-- Gateways to be buried: those whose lease has run out, and those whose burial was begun and not ended.
--
-- KEYS     1 gateway → when its lease ends   2 gateways that are being buried
-- ARGV     1 what the mark that a gateway was buried begins with
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for _, gateway in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], gateway)
  redis.call('SADD', KEYS[2], gateway)
  redis.call('SET', ARGV[1] .. gateway, '1', 'EX', 3600)
end
return redis.call('SMEMBERS', KEYS[2])
