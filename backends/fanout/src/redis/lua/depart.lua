-- Ends a user's lease on one gateway. The lease is not removed but ends now: that is "last seen".
--
-- KEYS[1]  gateway → when its lease ends
-- ARGV     1 the gateway   2 how long a user is remembered in ms
-- Answers  1 if no lease is left anywhere
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf') == 0 then
  return 1
end
return 0
