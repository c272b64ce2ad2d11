-- The presence of users.
--
-- KEYS  two for each user: gateway → when its lease ends; gateway → its status
-- Answers two for each: the status, and when the last lease ended or was hidden (ms) or nil
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local out = {}
for i = 1, #KEYS, 2 do
  local status, hidden = standing(KEYS[i], KEYS[i + 1], now)
  local ended = redis.call('ZREVRANGEBYSCORE', KEYS[i], now, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  local last = math.max(tonumber(ended or 0), tonumber(hidden or 0) or 0)
  out[i] = status
  out[i + 1] = last > 0 and string.format('%.0f', last) or false
end
return out
