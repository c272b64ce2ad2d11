-- Ends the leases of a user that linger on other gateways: the user is at this one. Put before the scripts that need it.
-- As in depart.lua, a lease ends now, or when it was hidden.
local function settle(leases, statuses, gateway, now)
  local told = redis.call('HGETALL', statuses)
  for i = 1, #told, 2 do
    if told[i] ~= gateway and string.sub(told[i + 1], 1, 1) == '~' then
      local lease = tonumber(redis.call('ZSCORE', leases, told[i]) or 0)
      if lease > now then
        redis.call('ZADD', leases, string.match(told[i + 1], '^~offline (%d+)$') or now, told[i])
      end
      redis.call('HDEL', statuses, told[i])
    end
  end
end
