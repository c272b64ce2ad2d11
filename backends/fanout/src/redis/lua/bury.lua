-- Ends the leases of some of the users whom a dead gateway held.
--
-- KEYS     1 the users whom it held
-- ARGV     1 the gateway   2 what every key of these users begins with   3 at most so many
-- Answers  {how many were looked at, user, what others see, …: of those of whom they see something else now}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local users = redis.call('SPOP', KEYS[1], ARGV[3])
local out = { #users }
for _, user in ipairs(users) do
  local leases, statuses = ARGV[2] .. 'p:' .. user, ARGV[2] .. 'ps:' .. user
  local lease = redis.call('ZSCORE', leases, ARGV[1])
  if lease then
    local before = standing(leases, statuses, now)
    local told = redis.call('HGET', statuses, ARGV[1])
    local hidden = told and string.match(told, '^~?offline (%d+)$')
    local ran_out = tonumber(lease) <= now
    redis.call('ZADD', leases, hidden or math.min(tonumber(lease), now), ARGV[1])
    redis.call('HDEL', statuses, ARGV[1])
    local after = standing(leases, statuses, now)
    -- Of a lease that ran out by itself nobody was told.
    if before ~= after or (ran_out and not hidden and after == 'offline') then
      out[#out + 1] = user
      out[#out + 1] = after
    end
  end
end
return out
