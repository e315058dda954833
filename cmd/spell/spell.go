// Package spell finds the name that was probably meant, so that a refused word
// comes with the right one.
package spell

// Nearest is the word of known that is closest to word, and whether it is close
// enough to be worth naming: at most a third of its letters differ.
func Nearest(word string, known []string) (nearest string, ok bool) {
	least := len(word)/3 + 1
	for _, candidate := range known {
		if d := distance([]rune(word), []rune(candidate)); d < least || d == least && !ok {
			nearest, least, ok = candidate, d, true
		}
	}
	return nearest, ok
}

// DidYouMean is `; did you mean "x"?` for the nearest of known, or empty.
func DidYouMean(word string, known []string) string {
	if nearest, ok := Nearest(word, known); ok {
		return `; did you mean "` + nearest + `"?`
	}
	return ""
}

// distance counts the insertions, deletions and replacements that turn a into b
// (Levenshtein).
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
