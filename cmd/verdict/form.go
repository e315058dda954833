package main

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/textproto"
)

// form is a multipart/form-data body whose parts are read as it is sent, so that it
// needs no memory for them.
type form struct {
	between bytes.Buffer // what the writer wrote since the last part
	writer  *multipart.Writer
	readers []io.Reader
	err     error
}

func newForm() *form {
	f := &form{}
	f.writer = multipart.NewWriter(&f.between)
	return f
}

// part adds a part; a nil content adds none.
func (f *form) part(name, mediaType string, content io.Reader) {
	if f.err != nil || content == nil {
		return
	}
	_, f.err = f.writer.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="` + name + `"`},
		"Content-Type":        {mediaType},
	})
	f.take(content)
}

// take adds what the writer wrote, and then content.
func (f *form) take(content io.Reader) {
	f.readers = append(f.readers, bytes.NewReader(bytes.Clone(f.between.Bytes())), content)
	f.between.Reset()
}

// end is the whole body, and its content type.
func (f *form) end() (io.Reader, string, error) {
	if err := errors.Join(f.err, f.writer.Close()); err != nil {
		return nil, "", err
	}
	f.readers = append(f.readers, &f.between)
	return io.MultiReader(f.readers...), f.writer.FormDataContentType(), nil
}
