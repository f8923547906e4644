# bash completion for scullbench
_scullbench() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]:-}
  if [ "$COMP_CWORD" = 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "run plan aa compare show report artifact export import list describe check new dump topology --help --version" -- "$cur")
    return
  fi
  case $prev in
    --format)
      case $verb in
        compare) mapfile -t COMPREPLY < <(compgen -W "text json" -- "$cur") ;;
        export) mapfile -t COMPREPLY < <(compgen -W "csv json" -- "$cur") ;;
        describe) mapfile -t COMPREPLY < <(compgen -W "text markdown" -- "$cur") ;;
      esac
      return ;;
    --placement) mapfile -t COMPREPLY < <(compgen -W "compact scatter one-per-core list" -- "$cur"); return ;;
    --interval) mapfile -t COMPREPLY < <(compgen -W "percentile bca" -- "$cur"); return ;;
    --what) mapfile -t COMPREPLY < <(compgen -W "trials series histograms" -- "$cur"); return ;;
    --aa) mapfile -t COMPREPLY < <(compgen -f -X '!*.db' -- "$cur"; compgen -d -- "$cur"); return ;;
    --plots) mapfile -t COMPREPLY < <(compgen -f -X '!*.ini' -- "$cur"; compgen -d -- "$cur"); return ;;
    --dir) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --lang) mapfile -t COMPREPLY < <(compgen -W "c c++" -- "$cur"); return ;;
    --db | --out | -o | --plugin-path) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --workload) mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" list 2> /dev/null | sed -n '/^workloads:/,$p' | grep -oE '^  [a-z0-9-]+ ')" -- "$cur"); return ;;
    --file) mapfile -t COMPREPLY < <(compgen -W "buddyinfo zoneinfo pagetypeinfo slabinfo vmallocinfo memblock percpu_stats scullmem" -- "$cur"); return ;;
    --set | --trial | --record | --program | --process | --title | --property | --ops | --seed | --cpus | --option | --cache | --memory | --baseline | --metric | --fail-if-slower) return ;;
  esac
  case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" "$verb" --help 2> /dev/null | grep -oE '^  --?[a-z-]+')" -- "$cur") ;;
    *)
      case $verb in
        run | plan | aa) mapfile -t COMPREPLY < <(compgen -f -X '!*.ini' -- "$cur"; compgen -d -- "$cur") ;;
        show | report | artifact | export | compare) mapfile -t COMPREPLY < <(compgen -f -X '!*.db' -- "$cur"; compgen -d -- "$cur") ;;
        check | dump) mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" list 2> /dev/null | sed -n '/^allocators:/,/^workloads:/p' | grep -oE '^  [a-z0-9-]+ ')" -- "$cur") ;;
        import) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        new) [ "$COMP_CWORD" != 2 ] || mapfile -t COMPREPLY < <(compgen -W "allocator workload" -- "$cur") ;;
        describe) mapfile -t COMPREPLY < <(compgen -W "gfp experiment machine pmu matrix plot $("${COMP_WORDS[0]}" list 2> /dev/null | grep -oE '^  [a-z0-9-]+ ')" -- "$cur") ;;
      esac ;;
  esac
}
complete -o filenames -F _scullbench scullbench
