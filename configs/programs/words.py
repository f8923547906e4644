# Objects of many sizes that live for different times, in two threads: dictionaries, strings, lists, JSON.
import json
import threading


def work(seed):
    kept = []
    for i in range(60):
        page = {str(seed * k % 100003): [k, str(k), {"n": k}] for k in range(1, 400)}
        text = json.dumps(page)
        again = json.loads(text)
        words = sorted(text.replace(",", " ").split())
        kept.append(dict(zip(words[:200], again.values())))
        if len(kept) > 20:
            kept.pop(i % 20)


threads = [threading.Thread(target=work, args=(seed,)) for seed in (7, 11)]
for t in threads:
    t.start()
for t in threads:
    t.join()
