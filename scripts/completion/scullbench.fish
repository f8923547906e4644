# fish completion for scullbench
set -l verbs run plan aa compare show report artifact export import list describe check new dump topology
complete -c scullbench -f
complete -c scullbench -n "not __fish_seen_subcommand_from $verbs" -a "$verbs"
complete -c scullbench -n "not __fish_seen_subcommand_from $verbs" -l version -l help
complete -c scullbench -n "__fish_seen_subcommand_from run plan aa" -k -a "(__fish_complete_suffix .ini)"
complete -c scullbench -n "__fish_seen_subcommand_from show report artifact export compare" -k -a "(__fish_complete_suffix .db)"
complete -c scullbench -n "__fish_seen_subcommand_from import" -F
complete -c scullbench -n "__fish_seen_subcommand_from describe" -a "gfp experiment machine pmu matrix plot (scullbench list 2>/dev/null | string match -rg '^  ([a-z0-9-]+) ')"
complete -c scullbench -n "__fish_seen_subcommand_from check dump" -a "(scullbench list 2>/dev/null | sed -n '/^allocators:/,/^workloads:/p' | string match -rg '^  ([a-z0-9-]+) ')"
complete -c scullbench -n "__fish_seen_subcommand_from new" -a "allocator workload"
# The options of a verb are what its own help lists.
for verb in $verbs
    complete -c scullbench -n "__fish_seen_subcommand_from $verb" -a "(scullbench $verb --help 2>/dev/null | string match -rg '^  (--?[a-z-]+)')"
end
