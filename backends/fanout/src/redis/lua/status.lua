-- Sets the status of a user's lease on one gateway, if it lives.
--
-- KEYS     1 gateway → when its lease ends   2 gateway → its status, where it is not online
-- ARGV     1 the gateway   2 the status   3 a lease in ms
-- Answers  {what others saw, what they see}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local before = standing(KEYS[1], KEYS[2], now)
local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
if lease and tonumber(lease) > now then
  settle(KEYS[1], KEYS[2], ARGV[1], now)
  if ARGV[2] == 'online' then
    redis.call('HDEL', KEYS[2], ARGV[1])
  elseif ARGV[2] == 'offline' then
    local told = redis.call('HGET', KEYS[2], ARGV[1]) or ''
    if not string.match(told, '^offline') then
      redis.call('HSET', KEYS[2], ARGV[1], 'offline ' .. string.format('%.0f', now))
    end
  else
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
  end
  -- What is left of leases that have run out goes with the user's last.
  redis.call('PEXPIRE', KEYS[2], 86400000)
end
local after = standing(KEYS[1], KEYS[2], now)
return {before, after}
