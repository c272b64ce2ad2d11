-- Takes or renews a gateway's own lease.
--
-- KEYS     1 gateway → when its lease ends   2 that it was buried
-- ARGV     1 the gateway   2 the lease in ms
-- Answers  kept, new or buried
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local held = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
if held then
  return 'kept'
end
return redis.call('DEL', KEYS[2]) == 1 and 'buried' or 'new'
