package token

import (
	"math/big"
	"slices"
)

// soundEd25519 says whether encoded is the canonical encoding of a point on
// edwards25519 (RFC 8032 section 5.1.3) that is not of small order. A point of
// small order verifies signatures anybody can make, without a private key; the
// standard library accepts it as a key.
func soundEd25519(encoded []byte) bool {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	one := big.NewInt(1)

	// d = -121665/121666, the curve -x^2 + y^2 = 1 + d x^2 y^2.
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665)).Mod(d, p)

	bigEndian := slices.Clone(encoded)
	slices.Reverse(bigEndian)
	bigEndian[0] &= 0x7f // the top bit is the sign of x
	y := new(big.Int).SetBytes(bigEndian)
	if y.Cmp(p) >= 0 {
		return false
	}
	yy := new(big.Int).Mul(y, y)
	yy.Mod(yy, p)

	// x^2 = (y^2 - 1) / (d y^2 + 1) has a root, or y is no point's. The
	// denominator is never 0, because -1/d is not a square.
	denominator := new(big.Int).Mul(d, yy)
	denominator.Add(denominator, one).ModInverse(denominator, p)
	xx := new(big.Int).Sub(yy, one)
	xx.Mul(xx, denominator).Mod(xx, p)
	if big.Jacobi(xx, p) < 0 {
		return false
	}

	// Orders 1 and 2 have x = 0, order 4 has y = 0, and doubling a point of order
	// 8 gives one of order 4, whose y, proportional to x^2 + y^2, is 0.
	sum := new(big.Int).Add(xx, yy)
	return xx.Sign() != 0 && y.Sign() != 0 && sum.Mod(sum, p).Sign() != 0
}
