/** An identity file as age-keygen writes it, for age and for us. */
export function identityFile(
  { identity, recipient }: { readonly identity: string; readonly recipient: string },
  created: Date,
): string {
  return `# created: ${created.toISOString()}\n# public key: ${recipient}\n${identity}\n`;
}

/** A signing key file, in the same form. */
export function signingKeyFile(
  { signingKey, signer }: { readonly signingKey: string; readonly signer: string },
  created: Date,
): string {
  return `# created: ${created.toISOString()}\n# signer: ${signer}\n${signingKey}\n`;
}
