package statuslist_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/token/statuslist"
)

const (
	listURI = "https://issuer.example/statuslists/1"
	short   = "eNrbuRgAAhcBXQ" // 16 statuses of 1 bit: b9 a3
)

// payload is the claims of a Status List Token with members put over good ones;
// a nil member is left out.
func payload(t testing.TB, over map[string]any) []byte {
	t.Helper()
	claims := map[string]any{
		"sub": listURI, "iss": "https://issuer.example", "iat": 1686920170, "exp": 2291720170, "ttl": 43200,
		"status_list": map[string]any{"bits": 1, "lst": short},
	}
	for name, value := range over {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	data, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func packed(bits int, lst string) map[string]any {
	return map[string]any{"status_list": map[string]any{"bits": bits, "lst": lst}}
}

func parse(t testing.TB, bits int, lst string) *statuslist.List {
	t.Helper()
	list, err := statuslist.Parse(payload(t, packed(bits, lst)), listURI)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// encode makes the lst member of an issuer, with each value in bits bits. The last byte is
// filled up with zeros, which are Valid.
func encode(t testing.TB, bits int, values []byte) string {
	t.Helper()
	perByte := 8 / bits
	packed := make([]byte, (len(values)+perByte-1)/perByte)
	for i, value := range values {
		packed[i/perByte] |= value << (i % perByte * bits)
	}
	return base64.RawURLEncoding.EncodeToString(deflate(t, packed))
}

func deflate(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// values reads a whole list.
func values(t testing.TB, list *statuslist.List) []byte {
	t.Helper()
	all := make([]byte, list.Len())
	for i := range all {
		status, err := list.Value(i)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = byte(status)
	}
	return all
}

// wantError checks the code, the field and part of the message of an error.
func wantError(t *testing.T, err error, code authz.ErrorCode, field, says string) {
	t.Helper()
	ours, ok := err.(*authz.Error)
	if !ok {
		t.Fatalf("got %v, want an *authz.Error", err)
	}
	if ours.Code != code || ours.Field != field || !strings.Contains(ours.Message, says) {
		t.Errorf("got %s %q %q, want %s %q saying %q", ours.Code, ours.Field, ours.Message, code, field, says)
	}
}

func TestParse(t *testing.T) {
	list, err := statuslist.Parse(payload(t, map[string]any{"iat": 1686920170.9, "exp": 2291720170.9}), listURI)
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Unix(1686920170, 0).UTC(); list.IssuedAt() != want {
		t.Errorf("issued at %v, want %v", list.IssuedAt(), want)
	}
	if want := time.Unix(2291720170, 0).UTC(); list.ExpiresAt() != want {
		t.Errorf("expires at %v, want %v", list.ExpiresAt(), want)
	}
	if list.TTL() != 12*time.Hour {
		t.Errorf("ttl %v, want 12h", list.TTL())
	}
	// b9 a3 from the least significant bit on: draft section 4.1.
	if diff := cmp.Diff([]byte{1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1}, values(t, list)); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestParseWithoutEnd(t *testing.T) {
	list, err := statuslist.Parse(payload(t, map[string]any{"exp": nil, "ttl": nil}), listURI)
	if err != nil {
		t.Fatal(err)
	}
	if !list.ExpiresAt().IsZero() || list.TTL() != 0 {
		t.Errorf("expires at %v, ttl %v, want neither", list.ExpiresAt(), list.TTL())
	}
}

// A ttl of next to nothing must not read as no ttl.
func TestTTLIsNeverRoundedAway(t *testing.T) {
	list, err := statuslist.Parse(payload(t, map[string]any{"ttl": 1e-300}), listURI)
	if err != nil {
		t.Fatal(err)
	}
	if list.TTL() <= 0 {
		t.Errorf("ttl %v, want more than 0", list.TTL())
	}
}

func TestParseRefuses(t *testing.T) {
	compressed := deflate(t, []byte{0xb9, 0xa3})
	lst := func(stream []byte) map[string]any { return packed(1, base64.RawURLEncoding.EncodeToString(stream)) }
	changed := bytes.Clone(compressed)
	changed[len(changed)-1] ^= 1
	tests := map[string]struct {
		over        map[string]any
		field, says string
	}{
		"no sub":             {map[string]any{"sub": nil}, "sub", "URI"},
		"another's sub":      {map[string]any{"sub": listURI + "/"}, "sub", "URI"},
		"null sub":           {map[string]any{"sub": json.RawMessage("null")}, "sub", "URI"},
		"sub list":           {map[string]any{"sub": []string{listURI}}, "sub", "wrong type"},
		"no iat":             {map[string]any{"iat": nil}, "iat", "missing"},
		"null iat":           {map[string]any{"iat": json.RawMessage("null")}, "iat", "missing"},
		"iat text":           {map[string]any{"iat": "1686920170"}, "iat", "wrong type"},
		"iat before 1970":    {map[string]any{"iat": -1}, "iat", "since 1970"},
		"exp of no calendar": {map[string]any{"exp": 253402300800}, "exp", "since 1970"},
		"exp text":           {map[string]any{"exp": "never"}, "exp", "wrong type"},
		"ttl zero":           {map[string]any{"ttl": 0}, "ttl", "more than 0"},
		"ttl negative":       {map[string]any{"ttl": -1}, "ttl", "more than 0"},
		"ttl over a century": {map[string]any{"ttl": 1e10}, "ttl", "at most"},
		"no list":            {map[string]any{"status_list": nil}, "status_list.bits", "1, 2, 4 or 8"},
		"bits 0":             {packed(0, short), "status_list.bits", "1, 2, 4 or 8"},
		"bits 3":             {packed(3, short), "status_list.bits", "1, 2, 4 or 8"},
		"bits 16":            {packed(16, short), "status_list.bits", "1, 2, 4 or 8"},
		"bits -1":            {packed(-1, short), "status_list.bits", "1, 2, 4 or 8"},
		"bits text":          {map[string]any{"status_list": map[string]any{"bits": "1", "lst": short}}, "status_list.bits", "wrong type"},
		"no lst":             {map[string]any{"status_list": map[string]any{"bits": 1}}, "status_list.lst", "zlib"},
		"not base64url":      {packed(1, "eNrbuRgAAhcB+/"), "status_list.lst", "base64url"},
		"padded":             {packed(1, short+"=="), "status_list.lst", "base64url"},
		"line break":         {packed(1, short[:4]+"\n"+short[4:]), "status_list.lst", "base64url"},
		"stray bits":         {packed(1, short[:len(short)-1]+"R"), "status_list.lst", "base64url"},
		"not zlib":           {lst([]byte{0xb9, 0xa3}), "status_list.lst", "zlib"},
		"DEFLATE alone":      {lst(compressed[2 : len(compressed)-4]), "status_list.lst", "zlib"},
		"cut short":          {lst(compressed[:len(compressed)-1]), "status_list.lst", "breaks off"},
		"wrong checksum":     {lst(changed), "status_list.lst", "damaged"},
		"trailing byte":      {lst(append(bytes.Clone(compressed), 0)), "status_list.lst", "end with"},
		"second stream":      {lst(append(bytes.Clone(compressed), compressed...)), "status_list.lst", "end with"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			list, err := statuslist.Parse(payload(t, test.over), listURI)
			if list != nil {
				t.Error("gave a list")
			}
			wantError(t, err, authz.CodeInvalid, test.field, test.says)
		})
	}
}

func TestParseRefusesBytes(t *testing.T) {
	good := string(payload(t, nil))
	tests := map[string]struct{ payload, uri, field, says string }{
		"empty":           {"", listURI, "", "ends too early"},
		"null":            {"null", listURI, "sub", "URI"},
		"list":            {"[]", listURI, "", "wrong type"},
		"trailing":        {good + "{}", listURI, "", "more bytes"},
		"duplicate sub":   {`{"sub":"https://x",` + good[1:], listURI, "sub", "twice"},
		"duplicate bits":  {strings.Replace(good, `"bits":1`, `"bits":8,"bits":1`, 1), listURI, "status_list.bits", "twice"},
		"other case":      {strings.Replace(good, `"sub"`, `"Sub"`, 1), listURI, "sub", "URI"},
		"no uri, no sub":  {string(payload(t, map[string]any{"sub": ""})), "", "sub", "URI"},
		"fraction of bit": {strings.Replace(good, `"bits":1`, `"bits":1.5`, 1), listURI, "status_list.bits", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := statuslist.Parse([]byte(test.payload), test.uri)
			wantError(t, err, authz.CodeInvalid, test.field, test.says)
		})
	}
}

func TestLargestList(t *testing.T) {
	for _, bits := range []int{1, 2, 4, 8} {
		most := statuslist.MaxBytes * 8 / bits
		full := make([]byte, most)
		full[most-1] = 1
		list := parse(t, bits, encode(t, bits, full))
		if list.Len() != most {
			t.Errorf("%d bits: %d entries, want %d", bits, list.Len(), most)
		}
		if status, err := list.Value(most - 1); err != nil || status != statuslist.Invalid {
			t.Errorf("%d bits: the last entry is %v, %v", bits, status, err)
		}
	}
	_, err := statuslist.Parse(payload(t, packed(8, base64.RawURLEncoding.EncodeToString(deflate(t, make([]byte, statuslist.MaxBytes+1))))), listURI)
	wantError(t, err, authz.CodeTooLarge, "status_list.lst", "inflates")
}

// A list that does not compress at all still fits a payload.
func TestLargestListFitsThePayload(t *testing.T) {
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(bytes.Repeat([]byte{3}, statuslist.MaxBytes)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	list := parse(t, 8, base64.RawURLEncoding.EncodeToString(b.Bytes()))
	if list.Len() != statuslist.MaxBytes {
		t.Errorf("%d entries, want %d", list.Len(), statuslist.MaxBytes)
	}
}

func TestPayloadIsBounded(t *testing.T) {
	_, err := statuslist.Parse(payload(t, map[string]any{"x": strings.Repeat("a", statuslist.MaxPayloadBytes)}), listURI)
	wantError(t, err, authz.CodeTooLarge, "", "bytes of claims")
}

// bomb is a zlib stream that inflates to a GiB of zeros, and does not end there.
func bomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	const header = 2
	head, block := b.Bytes()[:header], b.Bytes()[header:]
	return append(bytes.Clone(head), bytes.Repeat(block, 1<<10)...)
}

func TestBombCostsLittle(t *testing.T) {
	claims := payload(t, packed(1, base64.RawURLEncoding.EncodeToString(bomb(t))))
	if len(claims) > statuslist.MaxPayloadBytes {
		t.Fatalf("the bomb has %d bytes: it would be refused for its size", len(claims))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := statuslist.Parse(claims, listURI)
	runtime.ReadMemStats(&after)
	wantError(t, err, authz.CodeTooLarge, "status_list.lst", "inflates")
	const most = 8 * statuslist.MaxPayloadBytes
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > most {
		t.Errorf("a bomb of %d bytes made Parse allocate %d, want at most %d", len(claims), allocated, most)
	}
}

func TestValueOutOfRange(t *testing.T) {
	list := parse(t, 1, short)
	for _, index := range []int{-1, 16, 17, 1 << 20, 1<<63 - 1, -1 << 63} {
		_, err := list.Value(index)
		wantError(t, err, authz.CodeInvalid, "status_list.idx", "outside the list, which has 16 entries")
	}
	_, err := parse(t, 8, encode(t, 8, nil)).Value(0)
	wantError(t, err, authz.CodeInvalid, "status_list.idx", "0 entries")
	_, err = new(statuslist.List).Value(0)
	wantError(t, err, authz.CodeInvalid, "status_list.idx", "0 entries")
}

// Parse gives the values that an issuer encoded, and the rest of the last byte is valid.
func TestEncodedValuesComeBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		bits := rapid.SampledFrom([]int{1, 2, 4, 8}).Draw(rt, "bits")
		want := rapid.SliceOf(rapid.ByteMax(0xff>>(8-bits))).Draw(rt, "values")
		got := values(t, parse(t, bits, encode(t, bits, want)))
		if len(got) < len(want) || len(got)-len(want) >= 8/bits {
			rt.Fatalf("%d values became %d of %d bits", len(want), len(got), bits)
		}
		for len(want) < len(got) {
			want = append(want, byte(statuslist.Valid))
		}
		if !bytes.Equal(want, got) {
			rt.Fatalf("values %v, want those encoded, %v", got, want)
		}
	})
}

// FuzzParse reads arbitrary claims: nothing panics, and what is accepted says
// the same to a plain reader of JSON.
func FuzzParse(f *testing.F) {
	f.Add(payload(f, nil))
	f.Add(payload(f, packed(8, encode(f, 8, []byte{0, 1, 2, 3, 255}))))
	f.Add(payload(f, packed(4, "eNo76fITAAPfAgc")))
	f.Add([]byte(`{"sub":"https://issuer.example/statuslists/1","iat":1e0,"ttl":0.5,"status_list":{"bits":2,"lst":"eNo76fITAAPfAgc","x":[]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := statuslist.Parse(data, listURI)
		if err != nil {
			if code := authz.CodeOf(err); code != authz.CodeInvalid && code != authz.CodeTooLarge {
				t.Fatalf("error %v of code %s, want CodeInvalid or CodeTooLarge", err, code)
			}
			return
		}
		var plain struct {
			Sub        string  `json:"sub"`
			Iat        float64 `json:"iat"`
			StatusList struct {
				Bits int `json:"bits"`
			} `json:"status_list"`
		}
		if err := json.Unmarshal(data, &plain); err != nil {
			t.Fatalf("accepted claims that are no JSON: %v", err)
		}
		if plain.Sub != listURI || list.IssuedAt().Unix() != int64(plain.Iat) || list.TTL() < 0 {
			t.Errorf("read %v, %v of %q", list.IssuedAt(), list.TTL(), data)
		}
		if list.Len() > statuslist.MaxBytes*8/plain.StatusList.Bits {
			t.Errorf("%d entries of %d bits", list.Len(), plain.StatusList.Bits)
		}
		for _, index := range []int{0, list.Len() / 2, list.Len() - 1} {
			status, err := list.Value(index)
			if inside := 0 <= index && index < list.Len(); inside != (err == nil) {
				t.Errorf("entry %d of %d: %v", index, list.Len(), err)
			}
			if int(status) >= 1<<plain.StatusList.Bits {
				t.Errorf("%d bits gave %d", plain.StatusList.Bits, status)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	values := make([]byte, 1<<20)
	for i := range values {
		if i%97 == 0 {
			values[i] = 1
		}
	}
	claims := payload(b, packed(1, encode(b, 1, values)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := statuslist.Parse(claims, listURI); err != nil {
			b.Fatal(err)
		}
	}
}
