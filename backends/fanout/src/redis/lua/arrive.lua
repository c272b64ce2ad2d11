-- Takes or renews the leases of users on one gateway.
--
-- KEYS  one for each user: gateway → when its lease ends (ms). A lease that has ended stays as "last seen" until a
--       later one has; the key lives for ARGV[3]
-- ARGV  1 the gateway   2 a lease in ms   3 how long a user is remembered in ms
-- Answers the indexes (from 1) of those who had no lease anywhere.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local fresh = {}
for i, key in ipairs(KEYS) do
  local ended = redis.call('ZCOUNT', key, '-inf', now)
  if ended == redis.call('ZCARD', key) then
    fresh[#fresh + 1] = i
  end
  if ended > 1 then
    redis.call('ZREMRANGEBYRANK', key, 0, ended - 2)
  end
  redis.call('ZADD', key, now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', key, ARGV[3])
end
return fresh
