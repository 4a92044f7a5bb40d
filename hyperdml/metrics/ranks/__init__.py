"""The rank of the nearest positive, and whole rankings, in bounded memory."""
