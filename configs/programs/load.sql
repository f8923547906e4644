-- A table of a hundred thousand rows, two indices, and what a web page would ask of it.
CREATE TABLE book(id INTEGER PRIMARY KEY, title TEXT, author TEXT, year INTEGER);
INSERT INTO book(title, author, year)
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
  SELECT 'title ' || (i * 7919 % 100003), 'author ' || (i * 31 % 997), 1900 + i % 120 FROM n;
CREATE INDEX by_author ON book(author, year);
CREATE INDEX by_title ON book(title);
SELECT count(*), group_concat(title) FROM (SELECT title FROM book WHERE author LIKE 'author 1%' ORDER BY title LIMIT 5000);
SELECT author, count(*), group_concat(year) FROM book GROUP BY author ORDER BY 2 DESC LIMIT 50;
UPDATE book SET title = title || ', second edition' WHERE year % 7 = 0;
DELETE FROM book WHERE year < 1930;
SELECT count(*) FROM book a JOIN book b ON b.title = a.title AND b.id > a.id;
