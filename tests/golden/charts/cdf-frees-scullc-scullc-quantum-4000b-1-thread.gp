# Edit, then run: gnuplot -d cdf-frees-scullc-scullc-quantum-4000b-1-thread.gp
set encoding utf8
data = 'cdf-frees-scullc-scullc-quantum-4000b-1-thread.tsv'
# On paper the caption has these two.
title = 'scullc, scullc.quantum=4000B, 1 thread: latency of single frees'
note = 'n = 3; 3432 to 168564 calls a cell; whiskers: range of the processes'' own'
# What TeX takes for its own is escaped when the output is TeX's; in tics gnuplot's own % as well.
tex = 0
tex1(c) = strlen(c) == 0 ? '' : strstrt('#$%&_{}', c) ? '\'.c : c eq '\' ? '\textbackslash{}' : \
  c eq '~' ? '\textasciitilde{}' : c eq '^' ? '\textasciicircum{}' : c eq '<' ? '\textless{}' : \
  c eq '>' ? '\textgreater{}' : c eq '|' ? '\textbar{}' : c eq '"' ? '\textquotedbl{}' : c
escaped(s) = strlen(s) < 2 ? tex1(s) : escaped(s[1:strlen(s)/2]).escaped(s[strlen(s)/2+1:*])
percent(s) = strlen(s) < 2 ? (s eq '%' ? '%%' : s) : percent(s[1:strlen(s)/2]).percent(s[strlen(s)/2+1:*])
# A label that begins with a bracket would be taken for where to put it.
t(s) = tex ? (s[1:1] eq '[' ? '{}' : '').escaped(s) : s
tic(s) = percent(t(s))
little(s) = tex ? '\scriptsize '.s : s
do for [out in 'svg png column wide latex tikz'] {
  reset
  set datafile separator '\t'
  set datafile missing '-'
  tex = out eq 'latex' || out eq 'tikz'
  screen = out eq 'svg' || out eq 'png'
  up = tex ? 0.0 : 1.0
  near = tex ? 0.55 : 1.0
  if (out eq 'svg') { set terminal svg noenhanced size 720,633 dynamic rounded background '#ffffff' font 'sans-serif,13' linewidth 1.3; set output 'cdf-frees-scullc-scullc-quantum-4000b-1-thread.svg'; small = ',10' }
  if (out eq 'png') { set terminal pngcairo noenhanced size 1440,1267 background '#ffffff' font 'sans-serif,13' fontscale 1.9 linewidth 2.4 pointscale 2; set output 'cdf-frees-scullc-scullc-quantum-4000b-1-thread.png'; small = ',10' }
  if (out eq 'column') { set terminal pdfcairo noenhanced size 8.4cm,8.12cm font 'sans-serif,8' fontscale 0.72 linewidth 0.8 pointscale 0.45; set output 'cdf-frees-scullc-scullc-quantum-4000b-1-thread.pdf'; small = ',6' }
  if (out eq 'wide') { set terminal pdfcairo noenhanced size 17.8cm,8.53cm font 'sans-serif,8' fontscale 0.72 linewidth 0.9 pointscale 0.55; set output 'cdf-frees-scullc-scullc-quantum-4000b-1-thread-wide.pdf'; small = ',7' }
  if (out eq 'latex') { set terminal cairolatex pdf colourtext size 8.4cm,8.12cm header '\footnotesize' linewidth 0.8 pointscale 0.45; set output 'cdf-frees-scullc-scullc-quantum-4000b-1-thread-latex.tex'; small = ',6' }
  if (out eq 'tikz') { set terminal tikz size 8.4cm,8.12cm font '\footnotesize'; set output 'cdf-frees-scullc-scullc-quantum-4000b-1-thread-tikz.tex'; small = '' }
  if (screen) { set title title offset 0,0.7; set label 1 note at graph 0.5,1.045 center tc rgb '#555555' font small }
set border 3 lc rgb '#444444'
set tics nomirror out scale 0.6
set grid ytics lt 1 lc rgb '#dddddd' lw 0.7
set xlabel t('free (ns)') offset 0,0.5*up
set ylabel t('calls that took no longer (%)')
set logscale x 10
set xrange [*:*]
set yrange [0:100]
set xtics norotate autofreq
set grid xtics lt 1 lc rgb '#dddddd' lw 0.7
set bars 0.5
set key outside bottom center horizontal Left reverse samplen 1.4 spacing 1.05 height 0.8
set object 1 rectangle from graph 0, graph 0 to first 10.0149, graph 1 behind fc rgb '#aaaaaa' fs pattern 4 noborder
set label 1 t('less than the step of 10 ns') at first 7.01046, graph 0.04 rotate by 90 left font small tc rgb '#555555' front
set xrange [5.00747:*]
plot data index 0 using 1:2 with steps lw 1.3 dt 1 lc rgb '#555555' notitle, data index 1 using 1:2:3:4 with xerrorbars pt 2 ps 0.8 lw 1 lc rgb '#555555' notitle, keyentry with linespoints pt 2 ps 0.8 dt 1 lc rgb '#555555' title t('null'), \
  data index 2 using 1:2 with steps lw 1.3 dt 1 lc rgb '#e69f00' notitle, data index 3 using 1:2:3:4 with xerrorbars pt 5 ps 0.8 lw 1 lc rgb '#e69f00' notitle, keyentry with linespoints pt 5 ps 0.8 dt 1 lc rgb '#e69f00' title t('buddy'), \
  data index 4 using 1:2 with steps lw 1.3 dt 1 lc rgb '#0072b2' notitle, data index 5 using 1:2:3:4 with xerrorbars pt 7 ps 0.8 lw 1 lc rgb '#0072b2' notitle, keyentry with linespoints pt 7 ps 0.8 dt 1 lc rgb '#0072b2' title t('slub-shared (percpu=yes)'), \
  data index 6 using 1:2 with steps lw 1.3 dt 1 lc rgb '#56b4e9' notitle, data index 7 using 1:2:3:4 with xerrorbars pt 6 ps 0.8 lw 1 lc rgb '#56b4e9' notitle, keyentry with linespoints pt 6 ps 0.8 dt 1 lc rgb '#56b4e9' title t('slub-shared (percpu=no)'), \
  data index 8 using 1:2 with steps lw 1.3 dt 1 lc rgb '#009e73' notitle, data index 9 using 1:2:3:4 with xerrorbars pt 9 ps 0.8 lw 1 lc rgb '#009e73' notitle, keyentry with linespoints pt 9 ps 0.8 dt 1 lc rgb '#009e73' title t('vmalloc'), \
  data index 10 using 1:2 with steps lw 1.3 dt 1 lc rgb '#d55e00' notitle, data index 11 using 1:2:3:4 with xerrorbars pt 13 ps 0.8 lw 1 lc rgb '#d55e00' notitle, keyentry with linespoints pt 13 ps 0.8 dt 1 lc rgb '#d55e00' title t('malloc')
  unset output
}
