# Edit, then run: gnuplot -d addresses-pages-scullv-1-thread.gp
set encoding utf8
data = 'addresses-pages-scullv-1-thread.tsv'
# On paper the caption has these two.
title = 'scullv, 1 thread: where its pages lie'
note = 'one run; AMD EPYC, 2 CPUs'
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
  if (out eq 'svg') { set terminal svg noenhanced size 720,651 dynamic rounded background '#ffffff' font 'sans-serif,13' linewidth 1.3; set output 'addresses-pages-scullv-1-thread.svg'; small = ',10' }
  if (out eq 'png') { set terminal pngcairo noenhanced size 1440,1303 background '#ffffff' font 'sans-serif,13' fontscale 1.9 linewidth 2.4 pointscale 2; set output 'addresses-pages-scullv-1-thread.png'; small = ',10' }
  if (out eq 'column') { set terminal pdfcairo noenhanced size 8.4cm,8.35cm font 'sans-serif,8' fontscale 0.72 linewidth 0.8 pointscale 0.45; set output 'addresses-pages-scullv-1-thread.pdf'; small = ',6' }
  if (out eq 'wide') { set terminal pdfcairo noenhanced size 17.8cm,8.77cm font 'sans-serif,8' fontscale 0.72 linewidth 0.9 pointscale 0.55; set output 'addresses-pages-scullv-1-thread-wide.pdf'; small = ',7' }
  if (out eq 'latex') { set terminal cairolatex pdf colourtext size 8.4cm,8.35cm header '\footnotesize' linewidth 0.8 pointscale 0.45; set output 'addresses-pages-scullv-1-thread-latex.tex'; small = ',6' }
  if (out eq 'tikz') { set terminal tikz size 8.4cm,8.35cm font '\footnotesize'; set output 'addresses-pages-scullv-1-thread-tikz.tex'; small = '' }
  top = screen ? 0.8383 : 0.9401
  set multiplot layout 3,2 margins screen 0.15,0.97,0.1138,top spacing screen 0.1,0.1078
  if (screen) { set label 1 title at screen 0.5,0.9641 center; set label 2 note at screen 0.5,0.9162 center tc rgb '#555555' font small }
set border 3 lc rgb '#444444'
set tics nomirror out scale 0.6
set grid ytics lt 1 lc rgb '#dddddd' lw 0.7
unset key
set tics font small scale 0.3
if (tex) { set format '\scriptsize $%h$' }
set xtics norotate 0,100 offset 0,0.4*near
set xrange [0:257.04]
set title little(t('buddy')) offset 0,-0.8*near font small
set xlabel little('') offset 0,0.7*near font small
set ylabel little(t('pages')) offset 1.2*near,0 font small
set ytics 0,20 offset 0.6*near,0
set yrange [0:66.15]
plot data index 0 using 1:2 with points pt 7 ps 0.3 lc rgb '#e69f00' notitle, data index 1 using 1:2 with points pt 2 ps 0.25 lc rgb '#0072b2' notitle
if (screen) { unset label }
set title little(t('slub-shared (percpu=yes)')) offset 0,-0.8*near font small
set xlabel little('') offset 0,0.7*near font small
set ylabel little('') offset 1.2*near,0 font small
set ytics 0,20 offset 0.6*near,0
set yrange [0:66.15]
plot data index 2 using 1:2 with points pt 7 ps 0.3 lc rgb '#e69f00' notitle, data index 3 using 1:2 with points pt 2 ps 0.25 lc rgb '#0072b2' notitle
set title little(t('slub-shared (percpu=no)')) offset 0,-0.8*near font small
set xlabel little('') offset 0,0.7*near font small
set ylabel little(t('pages')) offset 1.2*near,0 font small
set ytics 0,20 offset 0.6*near,0
set yrange [0:66.15]
plot data index 4 using 1:2 with points pt 7 ps 0.3 lc rgb '#e69f00' notitle, data index 5 using 1:2 with points pt 2 ps 0.25 lc rgb '#0072b2' notitle
set title little(t('vmalloc')) offset 0,-0.8*near font small
set xlabel little(t('KiB into the data')) offset 0,0.7*near font small
set ylabel little('') offset 1.2*near,0 font small
set ytics 0,20 offset 0.6*near,0
set yrange [0:69.3]
plot data index 6 using 1:2 with points pt 7 ps 0.3 lc rgb '#e69f00' notitle, data index 7 using 1:2 with points pt 2 ps 0.25 lc rgb '#0072b2' notitle
set title little(t('malloc')) offset 0,-0.8*near font small
set xlabel little(t('KiB into the data')) offset 0,0.7*near font small
set ylabel little(t('pages')) offset 1.2*near,0 font small
set ytics 0,20 offset 0.6*near,0
set yrange [0:69.3]
plot data index 8 using 1:2 with points pt 7 ps 0.3 lc rgb '#e69f00' notitle, data index 9 using 1:2 with points pt 2 ps 0.25 lc rgb '#0072b2' notitle
  unset multiplot
  unset output
}
