-- What others see of a user: the strongest of their live leases. Put before the scripts that need it.
--
-- leases    gateway → when its lease ends   statuses   gateway → its status, where it is not online; a hidden one with
--           the time since which it is: "offline 1763553600000"; of a lease that lingers with "~" before it
-- Answers   the status, and since when the user has been hidden, where that is why they are offline
local strength = { offline = 1, away = 2, online = 3, busy = 4 }
local function standing(leases, statuses, now)
  local live = redis.call('ZRANGEBYSCORE', leases, '(' .. now, '+inf')
  if #live == 0 then
    return 'offline', false
  end
  if redis.call('EXISTS', statuses) == 0 then
    return 'online', false
  end
  local strongest, hidden = 'offline', 0
  for _, gateway in ipairs(live) do
    local told = redis.call('HGET', statuses, gateway) or 'online'
    local status, since = string.match(told, '^~?(%a+) ?(%d*)$')
    if strength[status] > strength[strongest] then
      strongest = status
    end
    hidden = math.max(hidden, tonumber(since) or 0)
  end
  if strongest ~= 'offline' then
    return strongest, false
  end
  return 'offline', hidden
end
