// Text written for terminals, set for a page: 2^-24 becomes 2⁻²⁴, `fc` a name in code type.
import { powerOfTwo } from './numbers';

const withPowers = (text: string) =>
    text.replace(/\b2\^(-?\d+)/g, (_, exponent: string) => powerOfTwo(Number(exponent)));

export const typeset = (text: string) =>
    text.split(/`([^`]+)`/).map((part, index) => (index % 2 === 1 ? <code>{part}</code> : withPowers(part)));
