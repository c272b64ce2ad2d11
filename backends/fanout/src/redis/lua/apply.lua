-- Applies records of one partition that directly follow a position; the whole of it or nothing.
--
-- KEYS[1]  the partition's position
-- ARGV     1 what every key of the partition begins with   2 the position it must stand at
--          3 the last record's offset   4 the new position   5 the last record's seq   6 the records' highest time
--          7 events that a room's recent cache holds
--          8… five for each event: id, seq, room, membership version or '', frame ("seq time\nrecord")
-- Answers  {1 done | 0 elsewhere, the position that holds or nil, duplicates skipped}
--
-- Keys of rooms are made here from ARGV[1]: they carry the partition's hash tag, so that they lie where KEYS[1] lies.
-- Seqs stay the strings they are; tonumber() only compares them (53 bits are exact in a double).
--
-- The order inside matters where a crash cuts the script short: publish first, an event's id last, the position at the
-- very end. What is cut short is then replayed, never lost.
local base, previous = ARGV[1], ARGV[2]
local position = redis.call('GET', KEYS[1])
if not position then
  return {0, false, 0}
end
if tonumber(string.match(position, '^[^:]+')) >= tonumber(ARGV[3]) then
  return {1, position, 0}
end
if position ~= previous then
  return {0, position, 0}
end

local heads_key = base .. 'heads'
local heads, duplicates = {}, 0
for i = 8, #ARGV, 5 do
  local seq, room, version = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local mark = base .. 'i:' .. ARGV[i]
  local seen = redis.call('GET', mark)
  if seen and seen ~= seq then
    duplicates = duplicates + 1
  else
    local head = heads[room]
    if head == nil then
      local score = redis.call('ZSCORE', heads_key, room)
      -- A large score may come back in exponent form.
      head = score and string.format('%.0f', tonumber(score))
    end
    local rises = not head or tonumber(head) < tonumber(seq)
    local prev = '-'
    if head and rises and not seen then
      prev = head
    end
    local delivery = prev .. ' ' .. ARGV[i + 4]
    redis.call('PUBLISH', base .. 'r:' .. room, 'D' .. delivery)
    local cache = base .. 'c:' .. room
    -- A replay must not stand beside the copy that knows its prev.
    if prev ~= '-' or redis.call('ZCOUNT', cache, seq, seq) == 0 then
      redis.call('ZADD', cache, seq, delivery)
    end
    if rises then
      redis.call('ZADD', heads_key, seq, room)
      head = seq
    end
    heads[room] = head
    if version ~= '' then
      local key = base .. 'v:' .. room
      local known = redis.call('GET', key)
      if not known or tonumber(known) < tonumber(version) then
        redis.call('SET', key, version)
      end
    end
    redis.call('SET', mark, seq, 'EX', 3600)
  end
end

for room in pairs(heads) do
  redis.call('ZREMRANGEBYRANK', base .. 'c:' .. room, 0, -1 - tonumber(ARGV[7]))
  redis.call('EXPIRE', base .. 'c:' .. room, 86400)
  redis.call('EXPIRE', base .. 'v:' .. room, 172800)
end

-- Heads are trimmed at a day. A mark "time:seq" every ten minutes says that all up to seq is no younger than time, the
-- highest time so far: the log's time may step back, and a trimmed head must never be younger than what is told.
local trim = redis.call('HMGET', base .. 'trim', 'high', 'marked')
local high = math.max(tonumber(trim[1] or ARGV[6]), tonumber(ARGV[6]))
local marked = tonumber(trim[2] or '0')
redis.call('HSET', base .. 'trim', 'high', string.format('%.0f', high))
if high - marked >= 600000 then
  local marks, done = base .. 'marks', nil
  redis.call('RPUSH', marks, string.format('%.0f', high) .. ':' .. ARGV[5])
  redis.call('HSET', base .. 'trim', 'marked', string.format('%.0f', high))
  local first = redis.call('LINDEX', marks, 0)
  while first and tonumber(string.match(first, '^[^:]+')) < high - 86400000 do
    done = redis.call('LPOP', marks)
    first = redis.call('LINDEX', marks, 0)
  end
  if done then
    redis.call('HSET', base .. 'trim', 'trimmed', string.match(done, '^[^:]+'))
    redis.call('ZREMRANGEBYSCORE', heads_key, '-inf', string.match(done, '[^:]+$'))
  end
end

redis.call('SET', KEYS[1], ARGV[4])
return {1, ARGV[4], duplicates}
