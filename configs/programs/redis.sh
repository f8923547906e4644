# A server in the run's own folder, asked by Debian's own benchmark, which keeps its own malloc.
redis-server --port 0 --unixsocket "$PWD/socket" --save '' --appendonly no --daemonize no > /dev/null &
server=$!
unset LD_PRELOAD
tries=0
until redis-cli -s "$PWD/socket" ping > /dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 200 ] || { echo "redis-server doesn't answer" >&2; exit 1; }
  sleep 0.02
done
redis-benchmark -s "$PWD/socket" -q -n 40000 -P 16 -r 20000 -d 300 -t set,get,lpush,lpop,sadd,hset > /dev/null || exit 1
redis-cli -s "$PWD/socket" shutdown nosave > /dev/null
wait $server
