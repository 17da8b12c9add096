"""Mail exchanged with programs that others wrote: a real Postfix on both sides, and signatures checked by dkimpy."""
