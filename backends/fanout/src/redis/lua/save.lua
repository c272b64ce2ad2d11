-- Writes a session's snapshot and gives the session a time to live, in one step: no session is left without one.
--
-- KEYS[1]  the session
-- ARGV     1 the snapshot's key   2 the snapshot   3 the time to live in ms
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
