# Words by hash, strings that grow, arrays of arrays.
BEGIN {
  for (i = 0; i < 400000; i++) {
    word = "word" (i * 7919 % 50021)
    count[word]++
    by_length[length(word)][word] = i
    if (i % 1000 == 0) line = line " " word
  }
  for (word in count) if (count[word] > 7) n++
  print n, length(line), length(by_length)
}
