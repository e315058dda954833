package statuslist

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"io"
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// MaxBytes is the largest list that is read or made, inflated: 2^20 statuses of
// 8 bits, 2^23 of 1 bit.
const MaxBytes = 1 << 20

const widths = "must be 1, 2, 4 or 8"

func width(bits int) bool { return bits == 1 || bits == 2 || bits == 4 || bits == 8 }

// mask has the low bits set.
func mask(bits int) byte { return 0xff >> (8 - bits) }

// inflate reads a lst member: base64url without padding (RFC 7515 section 2) of
// exactly one zlib stream (RFC 1950), checksum included. Inflating stops one byte
// past MaxBytes, so that what a stream would grow to costs nothing.
func inflate(lst string) ([]byte, error) {
	const field = "status_list.lst"
	compressed, err := base64.RawURLEncoding.Strict().DecodeString(lst)
	if err != nil || strings.ContainsAny(lst, "\r\n") { // which the decoder passes over
		return nil, &authz.Error{Code: authz.CodeInvalid, Field: field, Message: "must be base64url without padding", Cause: err}
	}
	source := bytes.NewReader(compressed)
	stream, err := zlib.NewReader(source)
	if err != nil {
		return nil, &authz.Error{Code: authz.CodeInvalid, Field: field, Message: "must be a list compressed with zlib", Cause: err}
	}
	packed, err := io.ReadAll(io.LimitReader(stream, MaxBytes+1))
	switch {
	case len(packed) > MaxBytes:
		return nil, &authz.Error{Code: authz.CodeTooLarge, Field: field, Message: "inflates to more than " + strconv.Itoa(MaxBytes) + " bytes; publish several lists"}
	case err != nil:
		return nil, &authz.Error{Code: authz.CodeInvalid, Field: field, Message: "breaks off or is damaged: it must be one whole zlib stream", Cause: err}
	case source.Len() > 0:
		return nil, authz.Invalid(field, "must end with its zlib stream")
	}
	return packed, nil
}

// Encode makes the lst member that an issuer publishes, with each value in bits
// bits. The last byte is filled up with zeros, which read as Valid.
func Encode(bits int, values []byte) (lst string, err error) {
	if !width(bits) {
		return "", authz.Invalid("bits", widths)
	}
	perByte := 8 / bits
	if len(values) > MaxBytes*perByte {
		return "", authz.Errorf(authz.CodeTooLarge, "a status list of %d bits has at most %d values", bits, MaxBytes*perByte)
	}
	packed := make([]byte, (len(values)+perByte-1)/perByte)
	for i, value := range values {
		if value > mask(bits) {
			return "", authz.Invalid("values["+strconv.Itoa(i)+"]", "must fit in "+strconv.Itoa(bits)+" bits")
		}
		packed[i/perByte] |= value << (i % perByte * bits)
	}
	return deflate(packed)
}

func deflate(packed []byte) (string, error) {
	var compressed bytes.Buffer
	stream, err := zlib.NewWriterLevel(&compressed, zlib.BestCompression)
	if err == nil {
		_, err = stream.Write(packed)
	}
	if err == nil {
		err = stream.Close()
	}
	if err != nil {
		return "", &authz.Error{Code: authz.CodeInternal, Message: "the status list could not be compressed", Cause: err}
	}
	return base64.RawURLEncoding.EncodeToString(compressed.Bytes()), nil
}
