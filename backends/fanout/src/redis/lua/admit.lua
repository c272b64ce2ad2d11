-- Counts an action in a sliding window, finds repetitions and remembers an id, in one step. What the limit refuses does
-- none of it; a repetition is counted and nothing else.
--
-- KEYS  1 the times of the actions admitted   2 what was said last ('' compares nothing)
--       3 what the id is remembered under (may be missing)
-- ARGV  1 how many in a window, -1: no limit   2 the window in ms   3 the id, or ''
--       4 what is said (digest:token, the token may be empty), or ''   5 for how many ms it is compared with
-- Answers {0 admitted | ms until another try | -1 a repetition, the id that holds or nil}
--
-- A list of the newest `limit` times is an exact log: one more fits if the oldest of them has left the window.
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
if limit >= 0 then
  local t = redis.call('TIME')
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  if limit == 0 then
    return {window, false}
  end
  local newest = redis.call('LINDEX', KEYS[1], -1)
  if newest and tonumber(newest) > now then
    -- The clock stepped back: the log says nothing any more, and must not refuse for as long as the step.
    redis.call('DEL', KEYS[1])
  end
  local oldest = redis.call('LINDEX', KEYS[1], -limit)
  if oldest and tonumber(oldest) > now - window then
    return {tonumber(oldest) + window - now, false}
  end
  redis.call('RPUSH', KEYS[1], now)
  redis.call('LTRIM', KEYS[1], -limit, -1)
  redis.call('PEXPIRE', KEYS[1], window)
end
if ARGV[4] ~= '' then
  local last = redis.call('GET', KEYS[2])
  if last and string.match(last, '^[^:]*') == string.match(ARGV[4], '^[^:]*') then
    if last ~= ARGV[4] or string.sub(last, -1) == ':' then
      return {-1, false}
    end
  else
    redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5])
  end
end
if not KEYS[3] then
  return {0, false}
end
local known = redis.call('GET', KEYS[3])
if known then
  return {0, known}
end
redis.call('SET', KEYS[3], ARGV[3], 'EX', 3600)
return {0, ARGV[3]}
