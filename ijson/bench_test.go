package ijson_test

import (
	"testing"

	"github.com/verdict-pdp/verdict/ijson"
)

func BenchmarkUnmarshal(b *testing.B) {
	body := []byte(`{"name":"a","count":12,"any":{"source_ip":"10.4.2.19","env":"prod","nested":{"list":[1,2,3]}},"list":[{"id":"x"},{"id":"y"}]}`)
	b.ReportAllocs()
	for b.Loop() {
		var v target
		if err := ijson.Unmarshal(body, &v); err != nil {
			b.Fatal(err)
		}
	}
}
