-- Takes or renews the leases of users on one gateway.
--
-- KEYS  one for each user: gateway → when its lease ends (ms). A lease that has ended stays as "last seen" until a
--       later one has; the key lives for ARGV[3]
-- ARGV  1 the gateway   2 a lease in ms   3 how long a user is remembered in ms
--       4 what every key of these users begins with; the users whom the gateway holds are a set there
-- Answers, for each whom others see differently now, its index (from 1) and what they see.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local base, held = ARGV[4], ARGV[4] .. 'pg:' .. ARGV[1]
local changed = {}
for i, key in ipairs(KEYS) do
  local user = string.sub(key, #base + 3)
  local statuses = base .. 'ps:' .. user
  local before = standing(key, statuses, now)
  local lease = redis.call('ZSCORE', key, ARGV[1])
  local told = redis.call('HGET', statuses, ARGV[1])
  if not (lease and tonumber(lease) > now) then
    if told then
      redis.call('HDEL', statuses, ARGV[1])
    end
    settle(key, statuses, ARGV[1], now)
  elseif told and string.sub(told, 1, 1) == '~' then
    redis.call('HSET', statuses, ARGV[1], string.sub(told, 2))
    settle(key, statuses, ARGV[1], now)
  end
  local ended = redis.call('ZCOUNT', key, '-inf', now)
  if ended > 1 then
    redis.call('ZREMRANGEBYRANK', key, 0, ended - 2)
  end
  redis.call('ZADD', key, now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', key, ARGV[3])
  redis.call('SADD', held, user)
  local after = standing(key, statuses, now)
  if before ~= after then
    changed[#changed + 1] = tostring(i)
    changed[#changed + 1] = after
  end
end
-- As long as there may be a lease in it, and long enough for whoever buries the gateway.
redis.call('PEXPIRE', held, 86400000)
return changed
