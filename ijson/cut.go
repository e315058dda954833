package ijson

import (
	"bytes"
	"fmt"
)

// Cut is what of doc lies between start and end, which it begins and ends with, one
// behind the other. It is for members of an object that are known only when the rest of
// it is written: the caller writes them, or others in their place, around what is
// returned, which is a part of doc. It is an error when doc has another form, as it would
// have if the order of its members changed.
func Cut(doc []byte, start, end string) (middle []byte, err error) {
	if rest, ok := bytes.CutPrefix(doc, []byte(start)); ok {
		if middle, ok = bytes.CutSuffix(rest, []byte(end)); ok {
			return middle, nil
		}
	}
	return nil, fmt.Errorf("JSON does not begin with %s and end with %s", start, end)
}
